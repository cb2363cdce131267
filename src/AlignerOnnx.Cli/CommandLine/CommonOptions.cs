using System.CommandLine;

namespace AlignerOnnx.Cli;

/// <summary>Arguments and options that several commands share, so that they read the same everywhere.</summary>
internal static class CommonOptions
{
    public const string JsonName = "--json";

    public static Option<bool> Json() => new(JsonName) { Description = "Write one JSON document to stdout; messages go to stderr." };

    public static Argument<string> Model(string name = "MODEL", string description = "A model folder or an .onnx file.") =>
        new(name) { Description = description };

    public static Option<string> OutputFolder(string description) =>
        new("--output", "-o") { Description = description, HelpName = "DIR", Required = true };

    public static Option<string[]> Adapters() =>
        new("--adapter", "-a") { Description = "An adapter folder; may be given several times.", HelpName = "ADAPTER", DefaultValueFactory = _ => [] };

    public static Option<string?> Adapter() =>
        new("--adapter", "-a") { Description = "The adapter to use; without it the base model answers.", HelpName = "ADAPTER" };

    public static Option<bool> AnyBase() =>
        new("--any-base") { Description = "Accept an adapter of another quantisation of the same architecture." };

    public static Option<int> Seed() =>
        new("--seed") { Description = "Seed of every random choice.", HelpName = "N", DefaultValueFactory = _ => 1 };

    public static Option<int> Tokens() =>
        Whole("--tokens", "Tokens shared by every layer; the paper's adapters have 1 or 10.", standard: 1, least: 1, most: 1024);

    public static Option<int> StartLayer() =>
        Whole("--start-layer", "The first adapted layer, from 0; at most the model's last one.", standard: 2, least: 0);

    /// <summary>A whole number with a smallest and a largest value; anything else is a usage error that names the range.</summary>
    public static Option<int> Whole(string name, string description, int standard, int least, int most = int.MaxValue)
    {
        Option<int> option = new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => standard };
        option.Validators.Add(result =>
        {
            int value = result.GetValueOrDefault<int>();
            if (value < least || value > most)
            {
                string range = most == int.MaxValue ? $"{least} or more" : $"{least} to {most}";
                result.AddError($"{name} is {value}; it must be {range}.");
            }
        });
        return option;
    }

    /// <summary>A number with a smallest and a largest value.</summary>
    public static Option<double> Number(string name, string description, double standard, double least, double most)
    {
        Option<double> option = new(name) { Description = description, HelpName = "X", DefaultValueFactory = _ => standard };
        option.Validators.Add(result =>
        {
            double value = result.GetValueOrDefault<double>();
            if (!(value >= least && value <= most))
            {
                result.AddError($"{name} is {value}; it must be {least} to {most}.");
            }
        });
        return option;
    }
}
