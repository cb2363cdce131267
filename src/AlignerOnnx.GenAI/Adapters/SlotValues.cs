using AlignerOnnx.GraphRewrites.Injection;

namespace AlignerOnnx.GenAI;

/// <summary>The values of one loaded adapter for the slots of its model.</summary>
internal sealed class SlotValues(IReadOnlyList<(Slot Slot, ReadOnlyMemory<byte> Values)> parameters)
{
    private const int TokenAxis = 3;

    private readonly Dictionary<string, (Slot Slot, ReadOnlyMemory<byte> Values)> _byName = parameters.ToDictionary(parameter => parameter.Slot.Name, StringComparer.Ordinal);

    /// <summary>N of the layout many-token; 0 in others.</summary>
    internal int Tokens { get; } = parameters.FirstOrDefault(parameter => parameter.Slot.Name == ManyTokenInjection.Keys).Slot is { } keys ? (int)keys.Dimensions[TokenAxis] : 0;

    /// <summary>Rows of the layout prefix; 0 in others.</summary>
    internal int PrefixRows { get; } = PrefixRowsOf(parameters.Select(parameter => parameter.Slot));

    /// <summary>What the adapter sets a slot to; null where it leaves the default.</summary>
    internal ReadOnlyMemory<byte>? Of(string slot) => _byName.TryGetValue(slot, out (Slot Slot, ReadOnlyMemory<byte> Values) parameter) ? parameter.Values : null;

    internal static int PrefixRowsOf(IEnumerable<Slot> parameters) => parameters.FirstOrDefault(slot => slot.Name == PrefixInjection.Slot) is { } table ? (int)table.Dimensions[0] : 0;
}
