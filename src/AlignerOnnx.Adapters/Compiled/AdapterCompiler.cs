using System.Runtime.InteropServices;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using static Onnx.TensorProto.Types;

namespace AlignerOnnx.Adapters;

/// <summary>Compiles adapters: folds their values through one model's weights into the slots of its layout.</summary>
public static class AdapterCompiler
{
    /// <summary>Compiles an adapter for the <c>one-token</c> slots of a model.</summary>
    /// <param name="adapter">The adapter: gated, one token.</param>
    /// <param name="model">The base model or its patched form: a folder or an .onnx file.</param>
    /// <param name="output">The .onnx_adapter file to write, complete or not at all.</param>
    /// <param name="anyBase">Accept another quantisation of the model that the adapter was trained on.</param>
    /// <exception cref="AdapterRefusedException">The adapter does not fit the model or the layout.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be read or recognised.</exception>
    public static void Compile(Adapter adapter, string model, string output, bool anyBase = false)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        IReadOnlyList<AttentionSite> sites = RecognisedModel.Of(ModelLoader.Load(model)).RequireSites();
        adapter.RequireFits(sites, anyBase);
        if (adapter.Config is not { Attention: "gated", NumTokens: 1 })
        {
            throw new AdapterRefusedException("The adapter does not fit one-token slots", $"adapter of {adapter.Config.BaseModelNameOrPath}",
                $"{adapter.Config.NumTokens} tokens, {adapter.Config.Attention}", "one token, gated", "train with --tokens 1");
        }
        float[] folded = OneTokenFolding.Fold(sites, adapter.Config.StartLayer, adapter.Tokens, adapter.Gates);
        DataType type = sites[0].ElementType;
        byte[] file = OnnxAdapterFile.ToBytes(new AdapterParameter(OneTokenInjection.Slot, type, [1, sites.Count, sites[0].Output.OutputSize], Encode(folded, type)));
        AtomicOutput.WriteFile(output, stream => stream.Write(file));
    }

    private static byte[] Encode(float[] numbers, DataType type) => type switch
    {
        DataType.Float => MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray(),
        DataType.Float16 => MemoryMarshal.AsBytes(Array.ConvertAll(numbers, number => (Half)number).AsSpan()).ToArray(),
        _ => throw new AdapterRefusedException("Slots of this element type are not supported", null, type.ToString(), "float32 or float16"),
    };
}
