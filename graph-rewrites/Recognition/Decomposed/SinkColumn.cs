using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Decomposed;

/// <summary>
/// Attention sinks in elementary operators (transformers' GPT-OSS): a column with one learnt score a head is joined to the scores of the keys, takes its share of the
/// softmax, and is cut off before the probabilities meet the values. Tokens of an adapter have a softmax of their own, which it does not join.
/// </summary>
internal static class SinkColumn
{
    /// <summary>Whether a node can join a column of sinks to scores. That probabilities of keys alone meet values is seen where elements are followed.</summary>
    public static bool IsJoin(Node node) => node.Is("Concat") && node.Inputs.Count == 2;

    /// <summary>What is joined to the scores of the keys; null where nothing is.</summary>
    public static Value? Of(PlacePath scores) => scores.Steps.Where(step => IsJoin(step.Node)).Select(step => step.Node.Inputs.FirstOrDefault(part => part != step.Next)).FirstOrDefault();

    /// <summary>The scores of the keys alone: what sinks are joined to, or what the Softmax takes.</summary>
    public static Value KeysOf(PlacePath scores) => scores.Steps.Where(step => IsJoin(step.Node)).Select(step => step.Next).FirstOrDefault(scores.Start);
}
