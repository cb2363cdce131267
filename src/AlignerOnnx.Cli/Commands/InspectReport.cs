using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Cli;

/// <summary>What <c>aligner inspect --json</c> writes.</summary>
internal sealed record InspectReport(
    string Model, string Producer, long IrVersion, long Opset, int Nodes, string? Slots,
    IReadOnlyList<InspectedSite> Sites, IReadOnlyList<InspectReport.Layout> Layouts, Architecture? Architecture, int Tokens, int? StartLayer, long? TrainableParameters,
    IReadOnlyList<string> MissingFiles)
{
    /// <summary>A slot layout, and why the model cannot have it; null where it can.</summary>
    internal sealed record Layout(string Name, bool Possible, string? Reason);

    public static InspectReport Of(RecognisedModel recognised, Architecture? architecture, int tokens, int startLayer)
    {
        int? start = architecture?.StartLayerFor(startLayer, recognised.Model.Path!);
        return new InspectReport(
            recognised.Model.Path!, recognised.Model.ProducerName, recognised.Model.IrVersion, recognised.Model.Opset(), recognised.Model.Graph.Nodes.Count,
            recognised.Model.Metadata(SlotLayouts.MetadataKey),
            [.. recognised.Cores.Select(InspectedSite.Of)],
            [.. SlotLayouts.All.Select(layout => (layout, why: SlotLayouts.WhyNot(recognised.Model, layout))).Select(pair => new Layout(SlotLayouts.NameOf(pair.layout), pair.why is null, pair.why))],
            architecture, tokens, start, start is int layer ? architecture!.TrainableParameters(tokens, layer) : null,
            [.. recognised.Model.DataFiles.Where(file => !Path.Exists(Path.Combine(Path.GetDirectoryName(recognised.Model.Path!)!, file))).Order(StringComparer.Ordinal)]);
    }
}
