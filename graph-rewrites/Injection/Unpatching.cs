using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Injection;

/// <summary>Takes a patch out of a graph again: what is left computes what the base model computes. Recognition and compilation look at a patched model through this.</summary>
public static class Unpatching
{
    /// <summary>Loads a model as its base: a patched one without its patch.</summary>
    /// <param name="path">A model folder or an .onnx file, patched or not.</param>
    /// <exception cref="ModelRefusedException">The model cannot be read, or its patch is damaged.</exception>
    public static OnnxModel LoadBase(string path)
    {
        OnnxModel model = ModelLoader.Load(path);
        Apply(model);
        return model;
    }

    /// <summary>Removes the slots and everything that reads them; a base model stays as it is.</summary>
    /// <param name="model">The model, changed in place.</param>
    /// <exception cref="ModelRefusedException">The graph was changed after it was patched, so that the base cannot be told from the patch.</exception>
    public static void Apply(OnnxModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (SlotLayouts.Of(model) is null)
        {
            return;
        }
        OnnxGraph graph = model.Graph;
        foreach (Node node in graph.Nodes.Where(IsPatch).ToArray())
        {
            foreach (Value output in node.Outputs.OfType<Value>())
            {
                GiveBack(model, node, output);
            }
        }
        foreach (Value slot in graph.Inputs.Where(IsPatch).ToArray())
        {
            graph.RemoveInput(slot);
        }
        model.RemoveMetadata(SlotLayouts.MetadataKey);
        graph.RemoveUnused();
    }

    /// <summary>Readers outside the patch read again what the patch stands in for: the only input of its node that is not the patch's own.</summary>
    private static void GiveBack(OnnxModel model, Node node, Value output)
    {
        Use[] outside = [.. output.Uses.Where(use => !IsPatch(use.Node))];
        if (outside.Length == 0)
        {
            return;
        }
        Value[] originals = [.. node.Inputs.OfType<Value>().Where(input => !IsPatch(input))];
        switch (originals)
        {
            case [{ } original]:
                OnnxGraph.ReplaceUses(output, original, except: node);
                break;
            // A bias that the base does not have.
            case [] when outside.All(use => use.Input > 0):
                foreach (Use use in outside)
                {
                    use.Node.Disconnect(use.Input);
                }
                break;
            default:
                throw new ModelRefusedException("The model's patch is damaged", $"{model.Path}, {node}", $"{originals.Length} values of the base model", "one", "patch the base model again");
        }
    }

    private static bool IsPatch(Node node) => node.Name.StartsWith(SlotLayouts.NamePrefix, StringComparison.Ordinal);

    private static bool IsPatch(Value value) => value.Name.StartsWith(SlotLayouts.NamePrefix, StringComparison.Ordinal);
}
