using AlignerOnnx.Adapters;

namespace AlignerOnnx.GenAI;

/// <summary>The parameters that a compiled adapter sets, as slots.</summary>
internal static class CompiledAdapterFile
{
    internal static IReadOnlyList<Slot> Read(string path) => [.. OnnxAdapterFile.Describe(path).Select(SlotOf)];

    /// <summary>As <see cref="Read(string)"/>, with the values.</summary>
    internal static IReadOnlyList<(Slot Slot, ReadOnlyMemory<byte> Values)> ReadValues(string path) => [.. OnnxAdapterFile.Read(path).Select(parameter => (SlotOf(parameter), parameter.Data))];

    private static Slot SlotOf(AdapterParameter parameter) => new(parameter.Name, (int)parameter.Type, parameter.Shape);
}
