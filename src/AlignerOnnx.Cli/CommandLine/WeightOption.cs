using System.CommandLine;
using AlignerOnnx.Adapters;

namespace AlignerOnnx.Cli;

/// <summary>How a rewritten model gets its weights.</summary>
internal static class WeightOption
{
    public static Option<WeightCopy> Create() => CommonOptions.Choice("--weights",
        "copy: cloned where the file system can. link: hard links, which need no space; onnx.checker then refuses the data files, of the original too.", WeightCopy.Copy);

    /// <summary>The choice, with a warning where it has a price.</summary>
    public static WeightCopy Chosen(ParseResult parsed, Option<WeightCopy> option, CommandOutput output)
    {
        WeightCopy weights = parsed.GetValue(option);
        if (weights == WeightCopy.Link)
        {
            output.Message("aligner: the weights are hard links: Python's onnx refuses data files with several hard links (\"potential hardlink attack\"), those of the original model too");
        }
        return weights;
    }
}
