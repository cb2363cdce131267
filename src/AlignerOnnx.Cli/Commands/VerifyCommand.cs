using System.CommandLine;
using AlignerOnnx.Adapters;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner verify</c>: proves by running it that a patched model is the base model until an adapter is given, and that adapters act as the method says.</summary>
internal sealed class VerifyCommand : AlignerCommand
{
    private readonly Argument<string> _patched = CommonOptions.Model("PATCHED", "A patched model folder.");
    private readonly Option<string> _against = new("--against") { Description = "The base model that it was made from; default: the one that aligner.json names.", HelpName = "MODEL" };
    private readonly Option<string[]> _adapters = CommonOptions.Adapters();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<ComputeDevice> _device = CommonOptions.Device();

    public VerifyCommand() : base("verify", "Run a patched model beside its base: equal bit for bit without an adapter, equal to every other way to compute one.")
    {
        Arguments.Add(_patched);
        Options.Add(_against);
        Options.Add(_adapters);
        Options.Add(_anyBase);
        Options.Add(_seed);
        Options.Add(_device);
    }

    public override IReadOnlyList<string> Examples => ["aligner verify pocket-patched", "aligner verify pocket-patched --against models/pocket/model-int4 --adapter my-adapters/json"];

    protected override Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        (string, Adapter)[] adapters = [.. parsed.GetValue(_adapters)!.Select(folder => (folder, AdapterPackage.Load(folder)))];
        PatchVerifier verifier = new(parsed.GetRequiredValue(_patched), parsed.GetValue(_against), (ulong)parsed.GetValue(_seed), parsed.GetValue(_device));
        PatchVerification found = verifier.Verify(adapters, parsed.GetValue(_anyBase));
        output.Result(found, report => Show(output, report));
        return Task.FromResult(found.Passed ? ExitCodes.Done : ExitCodes.VerificationFailed);
    }

    private static void Show(CommandOutput output, PatchVerification report)
    {
        output.Line($"  base                {report.Base ?? "not found; the patched model without its slots stands in"}");
        output.Line($"  without an adapter  {(report.BitwiseEqual ? "equal to the base model bit for bit" : "NOT equal to the base model")}");
        output.Line($"  largest difference  {report.MaxDifference:g3} (at most {report.Tolerance:g3} passes) at {report.Where}");
        output.Table(["adapter", "layout", "against", "difference", "effect", "same likeliest token", "divergence (nats)"], report.Adapters.Select(each => new[]
        {
            each.Adapter, each.Layout, each.Against, $"{each.MaxDifference:g3}", $"{each.Effect:g3}", $"{each.TopOneAgreement:p1}", $"{each.Divergence:g3}",
        }));
    }
}
