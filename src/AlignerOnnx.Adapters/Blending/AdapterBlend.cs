using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.Adapters;

/// <summary>What a blend was written as.</summary>
public enum BlendForm
{
    /// <summary>An adapter folder.</summary>
    Package,

    /// <summary>An <c>.onnx_adapter</c> file for one-token slots.</summary>
    Compiled,
}

/// <summary>
/// Makes one adapter of several, each times its scale, where that is exact. An adapter adds a gated value to each layer, so its part is linear in its gates: adapters of the same tokens
/// (one adapter too) are one adapter with the sum of their gates. Adapters of one token each add a fixed vector, whatever their tokens: their sum is a vector too, a compiled adapter.
/// Adapters of several tokens of their own have no sum: each has a softmax of its own, and no set of tokens has the sum of two.
/// </summary>
public static class AdapterBlend
{
    /// <summary>Blends adapters.</summary>
    /// <param name="parts">The adapters and their scales.</param>
    /// <param name="model">The model, patched for one token or not at all, that folders are compiled for; null where the blend shall be a folder, or all parts are compiled.</param>
    /// <param name="output">The folder to make or the <c>.onnx_adapter</c> file to write, complete or not at all.</param>
    /// <param name="anyBase">Accept adapters of another quantisation of the model.</param>
    /// <returns>What was written.</returns>
    /// <exception cref="AdapterRefusedException">An adapter is damaged or of another model, or the blend would not be exact.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be read, or has other slots.</exception>
    public static BlendForm Blend(IReadOnlyList<BlendPart> parts, string? model, string output, bool anyBase = false)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentOutOfRangeException.ThrowIfZero(parts.Count);
        if (model is null && !parts.Any(part => part.IsCompiled))
        {
            AdapterPackage.Save(GateSum.Of([.. parts.Select(part => (part, part.LoadFolder()))]), output);
            return BlendForm.Package;
        }
        if (model is null && parts.FirstOrDefault(part => !part.IsCompiled) is { } folder)
        {
            throw new AdapterRefusedException("Folders are blended with compiled adapters only through a model", folder.Path, "an adapter folder", "compiled adapters, or a model to compile it for", "give the model with --model");
        }
        CompilationTarget? target = model is null ? null : OneTokenTarget(model);
        Write([.. parts.Select(part => (part, part.IsCompiled ? DeltaSum.Read(part.Path) : DeltaSum.Fold(part.LoadFolder(), part.Path, target!, anyBase)))], target, output);
        return BlendForm.Compiled;
    }

    /// <summary>Writes the sum of compiled adapters, each times its scale; sums are in double precision.</summary>
    /// <param name="parts">Compiled adapters for one-token slots of one model, and their scales.</param>
    /// <param name="output">The .onnx_adapter file to write, complete or not at all.</param>
    /// <exception cref="AdapterRefusedException">An adapter is damaged, is not for one-token slots, or the adapters are for different models.</exception>
    public static void Write(IReadOnlyList<(string Path, double Scale)> parts, string output)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentOutOfRangeException.ThrowIfZero(parts.Count);
        Write([.. parts.Select(part => (new BlendPart(part.Path, part.Scale), DeltaSum.Read(part.Path)))], target: null, output);
    }

    private static void Write(IReadOnlyList<(BlendPart, AdapterParameter)> parts, CompilationTarget? target, string output)
    {
        byte[] file = OnnxAdapterFile.ToBytes(DeltaSum.Of(parts, target?.Sites[0].ElementType));
        AtomicOutput.WriteFile(output, stream => stream.Write(file));
    }

    private static CompilationTarget OneTokenTarget(string model)
    {
        CompilationTarget target = CompilationTarget.Of(model);
        return target.Layout is null or SlotLayout.OneToken
            ? target
            : throw new ModelRefusedException("The model's slots do not take a blend", model, SlotLayouts.NameOf(target.Layout.Value), OneTokenInjection.Layout, "name the base model, or patch it with --slots one-token");
    }
}
