using System.CommandLine;
using AlignerOnnx.Adapters;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner adapter list</c>: the adapters of a folder, as <c>aligner serve --adapters</c> would find them.</summary>
internal sealed class AdapterListCommand : AlignerCommand
{
    private readonly Argument<string> _folder = new("DIR") { Description = "A folder of adapters." };

    public AdapterListCommand() : base("list", "List the adapters of a folder.") => Arguments.Add(_folder);

    public override IReadOnlyList<string> Examples => ["aligner adapter list my-adapters"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        Entry[] entries = [.. PreparedAdapters.Find(parsed.GetRequiredValue(_folder)).Select(Describe)];
        output.Result(new Report(entries), report => Show(output, report));
        return Task.FromResult(ExitCodes.Done);
    }

    private static void Show(CommandOutput output, Report report)
    {
        if (report.Adapters is [])
        {
            output.Line("  no adapters: the folder holds no adapter folder and no .onnx_adapter file");
            return;
        }
        output.Table(["adapter", "tokens", "layers", "base"], report.Adapters.Select(each => new[]
        {
            each.Name, each.Tokens is null ? "compiled" : $"{each.Tokens}", each.Tokens is null ? "" : $"{each.StartLayer} to {each.Layers - 1}", each.Base ?? "",
        }));
    }

    private static Entry Describe(string path)
    {
        if (File.Exists(path))
        {
            return new Entry(Path.GetFileNameWithoutExtension(path), null, null, null, null);
        }
        AdapterConfig config = AdapterPackage.Load(path).Config;
        return new Entry(Path.GetFileName(path), config.NumTokens, config.StartLayer, config.NumLayers, config.BaseModelNameOrPath);
    }

    /// <summary>What <c>aligner adapter list --json</c> writes.</summary>
    private sealed record Report(IReadOnlyList<Entry> Adapters);

    private sealed record Entry(string Name, int? Tokens, int? StartLayer, int? Layers, string? Base);
}
