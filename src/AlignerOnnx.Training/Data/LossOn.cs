namespace AlignerOnnx.Training;

/// <summary>Which tokens of a conversation are learnt. Rows of prompt and completion learn their completion, rows of text all of it, tokenised rows what their labels say.</summary>
public enum LossOn
{
    /// <summary>Every answer of the assistant, as OpenAI's fine-tuning does.</summary>
    Answers,

    /// <summary>The last answer only.</summary>
    LastAnswer,

    /// <summary>Every token, the prompt's too, as the Aligner's authors did on Alpaca.</summary>
    All,
}
