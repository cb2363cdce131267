using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition.Decomposed;

namespace AlignerOnnx.GraphRewrites.Recognition.Paths;

/// <summary>A root-mean-square normalization of the heads, in one operator or decomposed.</summary>
internal sealed class NormalizationStep : IPathStep
{
    public bool LooksFor(Value value) => RootMeanSquare.Computing(value) is not null;

    public string? Pass(HeadsWalk walk)
    {
        (HeadNormalization normalization, Value source) = RootMeanSquare.Computing(walk.At)!.Value;
        if (walk.Facts.Normalization is not null)
        {
            return "it is normalised twice";
        }
        if (walk.LateBias is not null)
        {
            return "a bias is added after the normalization";
        }
        walk.Note(facts => facts with { Normalization = normalization });
        return walk.Back(source);
    }
}
