namespace AlignerOnnx.Serving;

/// <summary>Lists the base model and the adapters.</summary>
internal sealed class ModelsEndpoint(ModelRegistry registry)
{
    internal Task List(HttpContext context) =>
        context.Response.WriteAsJsonAsync(new ModelList("list", [.. registry.All.Select(Card)]), ApiJson.Default.ModelList);

    internal Task Show(HttpContext context)
    {
        string name = (string)context.Request.RouteValues["id"]!;
        ServedModel model = registry.Find(name) ?? throw ApiException.NoSuchModel(name);
        return context.Response.WriteAsJsonAsync(Card(model), ApiJson.Default.ModelCard);
    }

    private ModelCard Card(ServedModel model) =>
        new(model.Name, "model", model.Loaded.ToUnixTimeSeconds(), "aligneronnx", model.Root, model.Parent, registry.Chat.ContextLength);
}
