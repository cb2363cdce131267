namespace AlignerOnnx.Serving;

/// <summary>OpenAI's files: upload, list, show, content, delete.</summary>
internal sealed class FilesEndpoint(FileStore files, AdapterRegistry registry)
{
    private static readonly string[] Purposes = ["fine-tune", "user_data", "evals", "assistants", "batch", "vision"];

    internal Task List(HttpContext context)
    {
        IQueryCollection query = context.Request.Query;
        string? purpose = Query.Text(query, "purpose");
        IEnumerable<StoredFile> chosen = files.All.Where(file => purpose is null || file.Purpose == purpose);
        IEnumerable<StoredFile> ordered = Query.Text(query, "order") switch
        {
            null or "desc" => chosen,
            "asc" => chosen.Reverse(),
            var other => throw ApiException.Invalid($"order is '{other}'; expected asc or desc.", "order"),
        };
        return Json.WriteAsync(context, Page.Of([.. ordered.Select(FileObject.Of)], file => file.Id, query, name => name is "purpose" or "order"), AnswerJson.Types.ListObjectFileObject);
    }

    internal Task Show(HttpContext context) => Json.WriteAsync(context, FileObject.Of(files.Require(Route.Text(context, "id"))), AnswerJson.Types.FileObject);

    internal async Task Content(HttpContext context)
    {
        string path = files.PathOf(files.Require(Route.Text(context, "id")));
        context.Response.ContentType = "application/octet-stream";
        await context.Response.SendFileAsync(path, context.RequestAborted);
    }

    internal Task Delete(HttpContext context)
    {
        string id = Route.Text(context, "id");
        files.Delete(id);
        return Json.WriteAsync(context, new DeletedObject(id, "file"), AnswerJson.Types.DeletedObject);
    }

    internal async Task Upload(HttpContext context)
    {
        string staging = registry.NewStagingFolder();
        try
        {
            string path = Path.Combine(staging, "upload");
            string? name = null;
            Dictionary<string, List<string>> fields = await MultipartUpload.ReadAsync(context.Request, (field, file) =>
            {
                if (field != "file" || name is not null)
                {
                    throw ApiException.Invalid("Expected exactly one file, in the field 'file'.", "file");
                }
                name = NameOf(file);
                return File.Create(path);
            }, context.RequestAborted);
            string purpose = PurposeOf(fields);
            StoredFile stored = files.Add(name is null ? throw ApiException.Invalid("The field 'file' is missing.", "file") : path, name, purpose);
            await Json.WriteAsync(context, FileObject.Of(stored), AnswerJson.Types.FileObject);
        }
        finally
        {
            Directory.Delete(staging, recursive: true);
        }
    }

    private static string PurposeOf(Dictionary<string, List<string>> fields)
    {
        if (fields.Keys.FirstOrDefault(field => field != "purpose") is { } other)
        {
            throw ApiException.Invalid($"The field '{other}' is not supported.", other, "unsupported_parameter");
        }
        return fields.GetValueOrDefault("purpose") is [string purpose] && Purposes.Contains(purpose)
            ? purpose
            : throw ApiException.Invalid($"purpose must be one of {string.Join(", ", Purposes)}.", "purpose");
    }

    /// <summary>For people only; no path is made of it.</summary>
    private static string NameOf(string uploaded)
    {
        string name = new([.. uploaded[(uploaded.LastIndexOfAny(['/', '\\']) + 1)..].Where(each => !char.IsControl(each)).Take(255)]);
        return name.Length > 0 ? name : "upload";
    }
}
