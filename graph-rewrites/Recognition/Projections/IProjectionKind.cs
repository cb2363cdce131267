using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Recognition.Projections;

/// <summary>Recognises one operator that multiplies with a frozen matrix.</summary>
internal interface IProjectionKind
{
    /// <summary>Whether a node is this operator.</summary>
    bool LooksFor(Node node);

    /// <summary>The projection that the node alone computes, with a bias inside the operator; or why it is none.</summary>
    Match<Projection> Recognise(Node node);
}
