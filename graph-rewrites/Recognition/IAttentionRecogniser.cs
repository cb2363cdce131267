using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition;

/// <summary>Recognises one attention form by op types and topology, never by names.</summary>
internal interface IAttentionRecogniser
{
    /// <summary>Whether a node is an attention core of this form.</summary>
    bool LooksFor(Node node);

    /// <summary>What stands around the core, or why it cannot be patched.</summary>
    Match<AttentionSite> Recognise(Node core, int layer);
}
