namespace AlignerOnnx.Training;

/// <summary>How the rows of a file become conversations and texts.</summary>
public sealed record DataReadingOptions
{
    /// <summary>How Alpaca rows are put to the model. Default <see cref="PromptStyle.Chat"/>.</summary>
    public PromptStyle PromptStyle { get; init; } = PromptStyle.Chat;
}

/// <summary>How rows of instruction, input and output are put to the model.</summary>
public enum PromptStyle
{
    /// <summary>As a conversation through the model's own chat template: what a chat model is asked with when it serves.</summary>
    Chat,

    /// <summary>As the text of Alpaca's template: for base models without a chat template, and to repeat published Alpaca runs.</summary>
    Alpaca,
}
