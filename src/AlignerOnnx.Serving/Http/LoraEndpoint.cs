namespace AlignerOnnx.Serving;

/// <summary>vLLM's way to load and unload adapters (docs.vllm.ai, "Dynamically serving LoRA adapters"). A path means one inside the watched folder, never another of the server's.</summary>
internal sealed class LoraEndpoint(AdapterRegistry registry, string? folder)
{
    internal async Task Load(HttpContext context)
    {
        LoraLoadRequest body = await RequestReader.ReadAsync(context.Request, ApiJson.Default.LoraLoadRequest, context.RequestAborted);
        string name = NameOf(body);
        AdapterReference.RequireName(name, "lora_name");
        if (registry.Find(name) is { Loaded: true } && body.LoadInplace is not true)
        {
            throw ApiException.Invalid($"The adapter '{name}' is loaded already; say load_inplace to publish a new version of it.", "lora_name", "adapter_loaded");
        }
        if (body.LoraPath is null || (registry.Find(name) is not null && body.LoraPath == name))
        {
            registry.SetLoaded(name, true);
        }
        else
        {
            Publish(name, Inside(body.LoraPath));
        }
        await context.Response.WriteAsync($"Success: LoRA adapter '{name}' added successfully.", context.RequestAborted);
    }

    internal async Task Unload(HttpContext context)
    {
        string name = NameOf(await RequestReader.ReadAsync(context.Request, ApiJson.Default.LoraRequest, context.RequestAborted));
        if (registry.Find(name) is not { Loaded: true })
        {
            throw new ApiException(StatusCodes.Status404NotFound, $"The adapter '{name}' is not loaded.", "lora_name", "adapter_not_found");
        }
        registry.SetLoaded(name, false);
        await context.Response.WriteAsync($"Success: LoRA adapter '{name}' removed successfully.", context.RequestAborted);
    }

    private static string NameOf(LoraRequest body)
    {
        body.RefuseOthers();
        return body.LoraName ?? throw ApiException.Invalid("lora_name is missing.", "lora_name");
    }

    private void Publish(string name, string path)
    {
        string staging = registry.NewStagingFolder();
        try
        {
            AdapterIntake.CopyTo(path, staging);
            registry.Publish(name, staging, "upload");
        }
        finally
        {
            Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>An entry of the watched folder, by its name or its whole path.</summary>
    private string Inside(string asked)
    {
        string[] entries = folder is null ? [] : [.. PreparedAdapters.Find(folder)];
        return entries.FirstOrDefault(entry => asked == entry || asked == Path.GetFileName(entry) || asked == Path.GetFullPath(entry))
            ?? throw ApiException.Invalid("lora_path must name an adapter in the server's adapter folder, or be left out for one that was published before. Publish others with POST /v1/adapters.", "lora_path");
    }
}
