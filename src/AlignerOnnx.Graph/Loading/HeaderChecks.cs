using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>Checks what a model says of itself: versions that this tool knows, something that it computes, and nothing said twice.</summary>
internal static class HeaderChecks
{
    private const long OldestIr = 3;
    private const long NewestIr = 13;
    private const long NewestOpset = 26;

    /// <summary>Refuses a model whose header cannot be relied on.</summary>
    /// <exception cref="ModelRefusedException">A version is missing or unknown, there is no output, or an entry is there twice.</exception>
    public static void RequireSound(ModelProto model, string file)
    {
        if (model.IrVersion is < OldestIr or > NewestIr)
        {
            throw new ModelRefusedException("The model's IR version is not known", file, model.HasIrVersion ? $"IR version {model.IrVersion}" : "none", $"{OldestIr} to {NewestIr}", "check that the file is complete, or export the model again");
        }
        if (model.OpsetImport.Count == 0)
        {
            throw new ModelRefusedException("The model imports no operators", file, "no opset_import", "the versions of the operators that it uses", "the file is cut off or damaged: copy or export the model again");
        }
        foreach (IGrouping<string, long> versions in model.OpsetImport.GroupBy(import => Domains.Normalise(import.Domain), import => import.Version))
        {
            if (versions.Distinct().Skip(1).Any())
            {
                throw new ModelRefusedException("The model imports two versions of one domain", $"{file}, domain '{versions.Key}'", string.Join(", ", versions), "one version", "export the model again");
            }
            if (versions.First() < 1 || (versions.Key == Domains.Standard && versions.First() > NewestOpset))
            {
                throw new ModelRefusedException("The model's operator set is not known", $"{file}, domain '{versions.Key}'", $"version {versions.First()}", $"1 to {NewestOpset}", "export the model for an older operator set");
            }
        }
        if (model.Graph.Output.Count == 0)
        {
            throw new ModelRefusedException("The graph has no output", file, "no graph output", "logits and the cache", "the file is cut off or damaged: copy or export the model again");
        }
        RequireImported(model, file);
        if (model.MetadataProps.GroupBy(entry => entry.Key).FirstOrDefault(group => group.Skip(1).Any()) is { } twice)
        {
            throw new ModelRefusedException("The model's metadata has an entry twice", file, $"two entries '{twice.Key}'", "each entry once", "export the model again");
        }
    }

    /// <summary>A node is an operator of an imported domain or calls a function of the model; a function may import more. A function's domain alone says nothing of its other operators.</summary>
    private static void RequireImported(ModelProto model, string file)
    {
        HashSet<FunctionChecks.Key> functions = [.. model.Functions.Select(FunctionChecks.KeyOf)];
        RequireImported(model.Graph.Node, model.OpsetImport, functions, file);
        foreach (FunctionProto function in model.Functions)
        {
            RequireImported(function.Node, model.OpsetImport.Concat(function.OpsetImport), functions, $"{file}, function '{function.Name}'");
        }
    }

    private static void RequireImported(IEnumerable<NodeProto> nodes, IEnumerable<OperatorSetIdProto> imports, HashSet<FunctionChecks.Key> functions, string where)
    {
        HashSet<string> imported = [.. imports.Select(import => Domains.Normalise(import.Domain))];
        if (Messages.Deep(nodes).FirstOrDefault(node => !imported.Contains(Domains.Normalise(node.Domain)) && !functions.Contains(FunctionChecks.KeyOf(node))) is { } stranger)
        {
            throw new ModelRefusedException("The model uses operators that it does not import", $"{where}, node '{stranger.Name}' ({stranger.OpType})", $"domain '{stranger.Domain}'", string.Join(", ", imported.Select(domain => $"'{domain}'")),
                "the file is cut off or damaged: copy or export the model again");
        }
    }
}
