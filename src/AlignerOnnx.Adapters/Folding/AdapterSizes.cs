using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Recognition;

namespace AlignerOnnx.Adapters;

/// <summary>Checks of tokens and gates against a model.</summary>
internal static class AdapterSizes
{
    /// <summary>The model's sizes, where tokens and gates fit them.</summary>
    /// <exception cref="AdapterRefusedException">They do not.</exception>
    public static Architecture Require(IReadOnlyList<AttentionSite> sites, int startLayer, int tokens, int gates)
    {
        Architecture architecture = Architecture.Of(sites, "the model");
        int adapted = sites.Count - startLayer;
        return startLayer >= 0 && adapted >= 1 && tokens > 0 && tokens % architecture.HiddenSize == 0 && gates == adapted * architecture.QueryHeads
            ? architecture
            : throw new AdapterRefusedException("The adapter does not fit the model", null, $"tokens of {tokens} elements and {gates} gates from layer {startLayer}",
                $"a multiple of {architecture.HiddenSize}, and {Math.Max(adapted, 0)} x {architecture.QueryHeads} gates", "use the model that the adapter was trained for");
    }

    /// <summary>Gates of all layers: zeros before those of the adapted ones.</summary>
    public static float[] AllLayers(ReadOnlySpan<float> gates, int before)
    {
        float[] all = new float[before + gates.Length];
        gates.CopyTo(all.AsSpan(before));
        return all;
    }
}
