using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Cli;

/// <summary>What <c>aligner inspect --json</c> writes.</summary>
internal sealed record InspectReport(
    string Model, string Producer, long IrVersion, long Opset, int Nodes, string? Slots,
    IReadOnlyList<InspectReport.Site> Sites, Architecture? Architecture, int Tokens, int? StartLayer, long? TrainableParameters)
{
    /// <summary>One attention site, patchable or not.</summary>
    internal sealed record Site(int Layer, string Form, string Node, bool Patchable, string? Reason, string? Culprit);

    public static InspectReport Of(RecognisedModel recognised, Architecture? architecture, int tokens, int startLayer)
    {
        int? start = architecture is null ? null : Math.Min(startLayer, architecture.Layers - 1);
        return new InspectReport(
            recognised.Model.Path!, recognised.Model.ProducerName, recognised.Model.IrVersion, recognised.Model.Opset(), recognised.Model.Graph.Nodes.Count,
            recognised.Model.Metadata("aligner.slots"),
            [.. recognised.Cores.Select(core => new Site(core.Layer, core.Match.Found?.Form ?? core.Core.OpType, core.Core.Name, core.Match.Success, core.Match.Reason, core.Match.Culprit))],
            architecture, tokens, start, start is int layer ? architecture!.TrainableParameters(tokens, layer) : null);
    }
}
