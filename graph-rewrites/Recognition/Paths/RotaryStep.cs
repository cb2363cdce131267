using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>RotaryEmbedding of com.microsoft or ai.onnx before the attention core.</summary>
internal sealed class RotaryStep : IPathStep
{
    public bool LooksFor(Value value) => value.Producer is { OpType: "RotaryEmbedding", Domain: Domains.Standard or Domains.Microsoft };

    public string? Pass(HeadsWalk walk)
    {
        Node node = walk.At.Producer!;
        if (walk.Facts.IsRotated)
        {
            return "it is rotated twice";
        }
        if (walk.LateBias is not null)
        {
            return "a bias is added after the rotary embedding";
        }
        // Heads may be normalised behind it (Hunyuan): keys of tokens are not rotated, and queries are taken from where the core reads them.
        walk.Note(facts => facts with { IsRotated = true, RotaryNode = node });
        return walk.Back(node.Input(0));
    }
}
