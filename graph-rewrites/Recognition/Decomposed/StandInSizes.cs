using AlignerOnnx.Graph;
using Google.Protobuf.Collections;
using Onnx;
using Size = Onnx.TensorShapeProto.Types.Dimension;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// Numbers in place of the sizes that a graph leaves open: batch 2, sequence 3, cached tokens 5, then further primes, so that two sizes are equal only where the graph says
/// so. A sum of sizes ("past + sequence") is the sum of their numbers.
/// </summary>
internal sealed class StandInSizes
{
    /// <summary>The batch size.</summary>
    public const long Batch = 2;

    /// <summary>The number of new tokens.</summary>
    public const long Sequence = 3;

    /// <summary>The number of cached tokens.</summary>
    public const long Past = 5;

    private static readonly long[] Others = [7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47];

    private readonly Dictionary<string, long> _sizes = new(StringComparer.Ordinal);
    private readonly string? _sequence;

    public StandInSizes(IEnumerable<Value> inputs)
    {
        Value[] all = [.. inputs.Where(input => input.Initializer is null)];
        if (all.OrderByDescending(IsLookedUp).FirstOrDefault(HoldsTheSequence) is { } tokens && DimensionsOf(tokens) is { } sizes)
        {
            Bind(sizes[0], Batch);
            Bind(sizes[1], Sequence);
            _sequence = Symbol(sizes[1]);
        }
        foreach (Size dimension in all.Where(input => DimensionsOf(input) is { Count: >= 4 }).SelectMany(input => DimensionsOf(input)!))
        {
            Bind(dimension, Past);
        }
        // A mask whose length has a symbol of its own covers the cached and the new tokens.
        foreach (Size dimension in all.Where(IsInteger).Select(input => DimensionsOf(input)).Where(dimensions => dimensions is { Count: 2 }).Select(dimensions => dimensions![1]))
        {
            Bind(dimension, _sizes.ContainsValue(Past) ? Past + Sequence : Sequence);
        }
    }

    /// <summary>The shape of a declared type; null where the type says nothing. A dimension without a number or symbol gets a number of its own.</summary>
    public long[]? ShapeOf(Value value) => DimensionsOf(value) is { } dimensions ? [.. dimensions.Select(dimension => NumberOf(dimension) ?? Number($"{value.Name} {dimension}"))] : null;

    /// <summary>The shape of a declared type where every dimension has a number or a known symbol; else null.</summary>
    public long[]? DeclaredShapeOf(Value value) =>
        DimensionsOf(value) is { } dimensions && dimensions.All(dimension => NumberOf(dimension) is not null) ? [.. dimensions.Select(dimension => NumberOf(dimension)!.Value)] : null;

    private static RepeatedField<Size>? DimensionsOf(Value value) => value.Type?.TensorType?.Shape?.Dim;

    private static bool IsInteger(Value value) => value.ElementType is TensorProto.Types.DataType.Int64 or TensorProto.Types.DataType.Int32;

    /// <summary>Whether an input is ids, [batch, sequence], or embeddings, [batch, sequence, d].</summary>
    private static bool HoldsTheSequence(Value input) => DimensionsOf(input) is { } dimensions && (dimensions.Count == 2 ? IsInteger(input) : dimensions.Count == 3 && !IsInteger(input));

    /// <summary>Whether an input indexes a table, as ids do and masks do not.</summary>
    private static bool IsLookedUp(Value input) => input.Uses.Any(use => (use.Node.OpType == "Gather" && use.Input == 1) || (use.Node.OpType == "Cast" && use.Node.Output.Uses.Any(next => next.Node.OpType == "Gather" && next.Input == 1)));

    private static string? Symbol(Size dimension) => dimension.ValueCase == Size.ValueOneofCase.DimParam && dimension.DimParam.Length > 0 ? dimension.DimParam : null;

    private void Bind(Size dimension, long size)
    {
        if (Symbol(dimension) is { } symbol && !symbol.Contains('+', StringComparison.Ordinal))
        {
            _sizes.TryAdd(symbol, size);
        }
    }

    private long? NumberOf(Size dimension) =>
        dimension.ValueCase == Size.ValueOneofCase.DimValue ? dimension.DimValue
        : Symbol(dimension) is { } symbol ? Sum(symbol)
        : null;

    private long Sum(string symbol)
    {
        string[] terms = symbol.Split('+', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        // Exporters that trace with one new token write 1 where the sequence belongs.
        return terms.Length < 2 ? Number(symbol)
            : terms.Sum(term => !long.TryParse(term, out long number) ? Number(term) : number == 1 && _sequence is not null ? Sequence : number);
    }

    private long Number(string symbol)
    {
        if (!_sizes.TryGetValue(symbol, out long size))
        {
            size = Others[_sizes.Count % Others.Length];
            _sizes.Add(symbol, size);
        }
        return size;
    }
}
