using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients.Rules;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>
/// A quantised head one piece of the vocabulary after the other, so that neither all logits nor the whole de-quantised weight are ever there. Over the pieces run the
/// logarithm of the sum of exponentials and, for the gradient, the mean of the weight's rows under the softmax: dlog-probability / dhidden = row of the target - that mean,
/// whatever the loss. So forward and backward pass of a piece are one, and nothing of it is computed twice.
/// </summary>
internal sealed class VocabularyInPieces : TargetLogProbabilities
{
    private readonly Value _targetRows;
    private readonly Value? _meanRow;

    public VocabularyInPieces(OpEmitter emit, Node head, Value ids, TrainingGraphOptions options, bool differentiated)
        : base(emit)
    {
        QuantisedWeight weight = QuantisedWeight.Of(head);
        Origin = head.Input(0)!;
        (Value logSum, _meanRow) = Piece(weight, 0, Origin, options, differentiated);
        for (long first = options.VocabularyPiece; first < weight.Rows; first += options.VocabularyPiece)
        {
            (logSum, _meanRow) = Join(logSum, _meanRow, Piece(weight, first, Ordering.After(emit, Origin, _meanRow ?? logSum), options, differentiated));
        }
        _targetRows = Dequantisation.OfRows(emit.Graph, weight, ids);
        Value logits = emit.ReduceSum(emit.Mul(Origin, _targetRows), keepDimensions: true, 1);
        Values = emit.Named("target_log_probabilities", "Squeeze", emit.Sub(logits, logSum), emit.Integers([1]));
    }

    /// <inheritdoc/>
    public override Value Values { get; }

    /// <summary>The hidden state at the targets, [m, d].</summary>
    public override Value Origin { get; }

    /// <summary>Whether a head can be cut: ONNX Runtime Training lacks what picks rows of a quantised weight.</summary>
    public static bool Takes(Node head, TrainingGraphOptions options) =>
        options.Runtime != TrainingRuntime.OnnxRuntimeTraining && head.Is("MatMulNBits", Domains.Microsoft) && head.Input(5) is null && head.Output.Uses.Count == 0
        && QuantisedWeight.Of(head) is { Bits: 4 or 8, BlockOfColumn: null, HasNumericZeroPoints: false } weight && weight.PaddedColumns == weight.Columns && weight.Rows > options.VocabularyPiece;

    /// <summary>weight (mean row - row of the target).</summary>
    public override Value OriginGradient(Value weights) => Emit.Mul(Emit.Sub(_meanRow!, _targetRows), Emit.Op("Unsqueeze", [weights, Emit.Integers([1])]));

    /// <summary>Of some words: the logarithm of the sum of exponentials, [m, 1], and the mean of their rows under the softmax among them, [m, d].</summary>
    private (Value LogSum, Value? MeanRow) Piece(QuantisedWeight whole, long first, Value hidden, TrainingGraphOptions options, bool differentiated)
    {
        Node product = QuantisedViews.ProductOfRows(Emit, whole, hidden, first, Math.Min(options.VocabularyPiece, whole.Rows - first));
        Value softmax = Emit.Op("Softmax", [product.Output], NodeAttributes.Of("axis", -1L));
        // The largest probability is 1 / sum exp(logit - largest logit).
        Value logSum = Emit.Sub(Largest(product.Output), Emit.Op("Log", [Largest(softmax)]));
        return (logSum, differentiated ? Dequantisation.Product(Emit, softmax, QuantisedWeight.Of(product), options.Runtime) : null);
    }

    /// <summary>Two parts of the vocabulary as one: the second part's share of the probability is sigmoid(difference of the logarithms).</summary>
    private (Value LogSum, Value? MeanRow) Join(Value logSum, Value? meanRow, (Value LogSum, Value? MeanRow) piece)
    {
        Value difference = Emit.Sub(piece.LogSum, logSum);
        Value joined = Emit.Add(logSum, Emit.Op("Softplus", [difference]));
        return (joined, meanRow is null ? null : Emit.Add(meanRow, Emit.Mul(Emit.Sub(piece.MeanRow!, meanRow), Emit.Op("Sigmoid", [difference]))));
    }

    private Value Largest(Value values) => Emit.Op("ReduceMax", [values, Emit.Integers([-1])], NodeAttributes.Of("keepdims", 1L));
}
