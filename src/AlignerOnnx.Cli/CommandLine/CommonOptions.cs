using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary>Arguments and options that several commands share, so that they read the same everywhere.</summary>
internal static class CommonOptions
{
    public const string JsonName = "--json";

    public const string PlainEngine = "onnxruntime";

    public const string OrtTrainingEngine = "ort-training";

    public static Option<bool> Json() => new(JsonName) { Description = "Write one JSON document to stdout; messages go to stderr." };

    public static Argument<string> Model(string name = "MODEL", string description = "A model folder or an .onnx file.") =>
        new(name) { Description = description };

    public static Option<string> OutputFolder(string description) =>
        new("--output", "-o") { Description = description, HelpName = "DIR", Required = true };

    public static Option<string[]> Adapters() =>
        new("--adapter", "-a") { Description = "An adapter folder; may be given several times.", HelpName = "ADAPTER", DefaultValueFactory = _ => [] };

    public static Option<string?> Adapter() =>
        new("--adapter", "-a") { Description = "The adapter to use, a folder or an .onnx_adapter file; without it the base model answers.", HelpName = "ADAPTER" };

    public static Option<bool> AnyBase() =>
        new("--any-base") { Description = "Accept an adapter of another quantisation of the same architecture." };

    /// <param name="standard">The layout where none is given; null leaves the choice open.</param>
    public static Option<string?> Slots(string? standard)
    {
        Option<string?> slots = new("--slots")
        {
            Description = "The slot layout: one-token for adapters of one token; many-token for any number; portable takes tokens and gates as they are; prefix is for concat adapters.",
            HelpName = "LAYOUT",
        };
        if (standard is not null)
        {
            slots.DefaultValueFactory = _ => standard;
        }
        slots.AcceptOnlyFromAmong([.. SlotLayouts.All.Select(SlotLayouts.NameOf)]);
        return slots;
    }

    public static Option<string?> From() => new("--from")
    {
        Description = "What to start from; its tokens and start layer are kept: an adapter folder, or, with the optimizer's memory, the .run folder of a stopped run or a checkpoint of ONNX Runtime Training.",
        HelpName = "SOURCE",
    };

    public static Option<bool> Recompute() =>
        new("--recompute") { Description = "Compute activations again in the backward pass rather than keep them: less memory, about a third more time, the same numbers." };

    public static Option<LossOn> LossOn() =>
        Choice("--loss-on", "Which tokens of conversations are learnt: every answer, the last one only, or all with the prompts.", Training.LossOn.Answers);

    public static Option<PromptStyle> PromptStyle() =>
        Choice("--prompt-style", "How rows of instruction, input and output are put to the model: through its chat template, or as Alpaca's text.", Training.PromptStyle.Chat);

    /// <summary>One of the names of an enumeration, written in small letters with hyphens.</summary>
    public static Option<T> Choice<T>(string name, string description, T standard)
        where T : struct, Enum
    {
        Dictionary<string, T> choices = Enum.GetValues<T>().ToDictionary(value => ChoiceName(value), StringComparer.OrdinalIgnoreCase);
        return new(name)
        {
            Description = description,
            HelpName = string.Join('|', choices.Keys),
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                string text = result.Tokens[^1].Value;
                if (!choices.TryGetValue(text, out T value))
                {
                    result.AddError($"{name} is '{text}'; it must be one of {string.Join(", ", choices.Keys)}.");
                }
                return value;
            },
        };
    }

    /// <summary>What a member of an enumeration is called on the command line.</summary>
    public static string ChoiceName(Enum value) => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    public static Option<AttentionReading> Attention() =>
        Choice("--attention", "gated: the tokens' own softmax, a gate for each head. concat: the tokens stand before the sequence in every layer, without gates.", AttentionReading.Gated);

    public static Option<LearningRateShape> Schedule(LearningRateShape standard) => Choice("--schedule", "How the learning rate moves after the warm-up.", standard);

    /// <summary>Concat attention leaves no choice of the start layer.</summary>
    public static void RequireEveryLayer(CommandResult command, Option<AttentionReading> attention, Option<int> startLayer)
    {
        string concat = ChoiceName(AttentionReading.Concat);
        if (string.Equals(Typed(command, attention), concat, StringComparison.OrdinalIgnoreCase) && int.TryParse(Typed(command, startLayer), CultureInfo.InvariantCulture, out int layer) && layer > 0)
        {
            command.AddError($"{startLayer.Name} {layer} does not go with {attention.Name} {concat}, which takes every layer.");
        }
    }

    /// <summary>What was typed for an option, null where it was not: validators see options whose values do not parse, of which to ask for the value fails.</summary>
    public static string? Typed(CommandResult command, Option option) => command.GetResult(option)?.Tokens is [.., { Value: string text }] ? text : null;

    public static Option<PreferenceLossKind> PreferenceLoss(PreferenceLossOptions standard) =>
        Choice("--loss", "What is made of the difference of rewards: sigmoid (DPO) or its distance to a target (IPO).", standard.Kind);

    public static Option<double> Beta(PreferenceLossOptions standard) =>
        Number("--beta", "How firmly the adapter is held to the reference.", standard.Beta, least: 1e-6, most: 100);

    public static Option<double> LabelSmoothing(PreferenceLossOptions standard) =>
        Number("--label-smoothing", "The share of pairs that may be the wrong way round.", standard.LabelSmoothing, least: 0, most: 0.5);

    public static Option<string?> OrtTrainingLibrary() =>
        new("--ort-training-library") { Description = $"The native ONNX Runtime built with training; without it, what {OrtTrainingLibraryFile.PathVariable} names, or what the build put beside the tool.", HelpName = "FILE" };

    public static Option<string> Engine()
    {
        Option<string> engine = new("--engine") { Description = "What computes: plain ONNX Runtime, or a native ONNX Runtime built with training.", DefaultValueFactory = _ => PlainEngine };
        engine.AcceptOnlyFromAmong(PlainEngine, OrtTrainingEngine);
        return engine;
    }

    public static Option<ComputeDevice> Device() => Choice("--device", "Where ONNX Runtime computes: the processor, or an NVIDIA GPU (builds with ONNX Runtime's GPU package).", ComputeDevice.Cpu);

    /// <summary>ONNX Runtime Training computes on the processor here.</summary>
    public static void RequirePlainEngine(CommandResult command, Option<ComputeDevice> device, Option<string> engine)
    {
        string cuda = ChoiceName(ComputeDevice.Cuda);
        if (string.Equals(Typed(command, device), cuda, StringComparison.OrdinalIgnoreCase) && Typed(command, engine) == OrtTrainingEngine)
        {
            command.AddError($"{device.Name} {cuda} does not go with {engine.Name} {OrtTrainingEngine}, which computes on the processor.");
        }
    }

    /// <summary>A library that nothing would use is a forgotten engine.</summary>
    public static void RequireOrtTraining(CommandResult command, Option<string?> library, Option<string> engine)
    {
        if (Typed(command, library) is not null && Typed(command, engine) != OrtTrainingEngine)
        {
            command.AddError($"{library.Name} goes with {engine.Name} {OrtTrainingEngine}.");
        }
    }

    public static Option<int> Seed() => Whole("--seed", "Seed of every random choice.", standard: 1, least: int.MinValue);

    public static Option<int> Tokens() =>
        Whole("--tokens", "Tokens shared by every layer; the paper's adapters have 1 or 10.", standard: 1, least: 1, most: 1024);

    public static Option<int> StartLayer() =>
        Whole("--start-layer", "The first adapted layer, from 0; by default the last one of a model with fewer layers; concat attention takes every layer.", Architecture.StandardStartLayer, least: 0);

    /// <summary>A whole number with a smallest and a largest value; anything else is a usage error that names the range.</summary>
    public static Option<int> Whole(string name, string description, int standard, int least, int most = int.MaxValue) =>
        Ranged(name, "N", description, standard, least, most, $"a whole number from {least} to {most}");

    /// <summary>The number of an option whose 0 leaves the choice to the library: null then.</summary>
    public static int? NumberOrNull(ParseResult parsed, Option<int> option) => parsed.GetValue(option) is > 0 and var number ? number : null;

    /// <summary>How many batches grow side by side; 0 for the library's own choice.</summary>
    public static Option<int> Batches() =>
        Whole("--batches", "Batches that grow side by side, each on a thread of its own; no more than have room for the longest answer. 0 takes one for each processor, up to 4, for models under 1 GiB, else one.", standard: 0, least: 0, most: 64);

    /// <summary>A number with a smallest and a largest value.</summary>
    public static Option<double> Number(string name, string description, double standard, double least, double most) =>
        Ranged(name, "X", description, standard, least, most, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"));

    // Parsed here and not by the library, whose message would name .NET types.
    private static Option<T> Ranged<T>(string name, string helpName, string description, T standard, T least, T most, string expected)
        where T : struct, INumber<T> => new(name)
        {
            Description = description,
            HelpName = helpName,
            DefaultValueFactory = _ => standard,
            CustomParser = result =>
            {
                string text = result.Tokens[^1].Value;
                if (T.TryParse(text, CultureInfo.InvariantCulture, out T value) && value >= least && value <= most)
                {
                    return value;
                }
                result.AddError($"{name} is '{text}'; it must be {expected}.");
                return standard;
            },
        };
}
