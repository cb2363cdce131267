using AlignerOnnx.Graph;

namespace AlignerOnnx.GraphRewrites.Gradients;

/// <summary>The gradient of one operator.</summary>
internal interface IGradientRule
{
    /// <summary>Whether the rule is for this node.</summary>
    bool LooksFor(Node node);

    /// <summary>Gives every input that needs it its part of the gradient. At least one output has a gradient, and at least one input needs one.</summary>
    void Differentiate(Node node, GradientContext context);
}
