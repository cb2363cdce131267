namespace AlignerOnnx.Serving;

/// <summary>The base model and the adapters as models.</summary>
internal sealed class ModelsEndpoint(ServerParts parts)
{
    internal Task List(HttpContext context) => Json.WriteAsync(context, new ModelList("list", [.. parts.Models.All.Select(Card)]), AnswerJson.Types.ModelList);

    internal Task Show(HttpContext context)
    {
        string name = Route.Text(context, "id");
        return Json.WriteAsync(context, Card(parts.Models.Find(name) ?? throw ApiException.NoSuchModel(name)), AnswerJson.Types.ModelCard);
    }

    /// <summary>Deletes an adapter with its versions; the base model stays.</summary>
    internal Task Delete(HttpContext context)
    {
        string name = Route.Text(context, "id");
        ServedModel model = parts.Models.Find(name) ?? throw ApiException.NoSuchModel(name);
        if (model.Parent is null || name.Contains('@', StringComparison.Ordinal))
        {
            throw ApiException.Invalid($"'{name}' cannot be deleted: only adapters can, by their bare name.", "model", "model_not_deletable");
        }
        parts.Adapters.Delete(name);
        return Json.WriteAsync(context, new DeletedObject(name, "model"), AnswerJson.Types.DeletedObject);
    }

    private ModelCard Card(ServedModel model) =>
        new(model.Name, "model", model.Created.ToUnixTimeSeconds(), "aligneronnx", model.Root, model.Parent, parts.Chat.ContextLength);
}
