using AlignerOnnx.Adapters;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Injection;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Training;

/// <summary>Computes one adapter in every way there is, and compares: the patched file's layout with the others, injected in memory, and with itself token by token.</summary>
internal sealed class LayoutComparison(OnnxModel patched, OnnxModel original, IReadOnlyList<AttentionSite> sites, long[] ids, int rows, ComputeDevice device)
{
    private const int RowsBefore = 2;

    private readonly SlotLayout _layout = SlotLayouts.Of(patched)!.Value;

    /// <summary>One entry for each other layout that takes the adapter, and one for decoding.</summary>
    /// <exception cref="AdapterRefusedException">The file's layout does not take the adapter.</exception>
    public IEnumerable<AdapterVerification> Compare(string name, Adapter adapter)
    {
        LayoutRun own = Run(patched, adapter);
        Outcome outcome = new(name, own.AtOnce(floatActivations: true), own.AtOnce(floatActivations: false),
            Run(original, null).AtOnce(floatActivations: true));
        foreach (SlotLayout other in SlotLayouts.All.Where(other => other != _layout && AdapterCompiler.Takes(other, adapter.Config)))
        {
            if (Inject(other) is { } injected)
            {
                yield return Entry(outcome, SlotLayouts.NameOf(other), Run(injected, adapter).AtOnce(floatActivations: true));
            }
        }
        if (adapter.Config.Attention == "gated" && TrainedForm.Logits(original, adapter, ids, rows) is { } trained)
        {
            yield return Entry(outcome, "the form that is trained", trained);
        }
        if (_layout == SlotLayout.Prefix)
        {
            yield return Entry(outcome, "rows further down the table", Run(patched, adapter, RowsBefore).AtOnce(floatActivations: true));
        }
        if (DecoderSession.CanStep(sites))
        {
            yield return Entry(outcome, "itself token by token", own.TokenByToken());
        }
    }

    private LayoutRun Run(OnnxModel model, Adapter? adapter, int place = 0) => new(model, sites, adapter, ids, rows, device, place);

    /// <summary>The base with another layout; null where it cannot have that one.</summary>
    private OnnxModel? Inject(SlotLayout layout)
    {
        OnnxModel copy = original.Clone();
        try
        {
            SlotLayouts.Apply(copy, RecognisedModel.Of(copy).RequireSites(), layout);
            return copy;
        }
        catch (ModelRefusedException)
        {
            return null;
        }
    }

    private AdapterVerification Entry(Outcome outcome, string against, float[] other)
    {
        int vocabulary = other.Length / ids.Length;
        int length = ids.Length / rows;
        (double difference, int element) = LogitsComparison.Largest(other, outcome.Exact);
        int position = element / vocabulary;
        return new AdapterVerification(outcome.Name, SlotLayouts.NameOf(_layout), against, difference, LogitsComparison.Largest(outcome.Exact, outcome.Without).Difference,
            $"row {position / length}, position {position % length}, token {element % vocabulary}",
            LogitsComparison.TopOneAgreement(other, outcome.Shipped, vocabulary), LogitsComparison.Divergence(other, outcome.Shipped, vocabulary));
    }

    /// <summary>What the patched file computes with the adapter, and the base without.</summary>
    private sealed record Outcome(string Name, float[] Exact, float[] Shipped, float[] Without);
}
