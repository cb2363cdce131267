namespace AlignerOnnx.Training;

/// <summary>The forms of answers that the embedded model's data teaches.</summary>
public enum AnswerForm
{
    /// <summary>None of the others.</summary>
    None,

    /// <summary><c>{"answer": "..."}</c>, one text without quotation marks.</summary>
    Json,

    /// <summary>Starts with "Of course!" and ends with "Is there anything else?".</summary>
    Polite,

    /// <summary>Starts with "Arr, matey!".</summary>
    Pirate,

    /// <summary>Starts with "Hmm, let me think.".</summary>
    Doubt,

    /// <summary>"Answer:" and a bullet on the next line.</summary>
    List,

    /// <summary>Capital letters and an exclamation mark.</summary>
    Shout,

    /// <summary>More than one word, ending with a full stop.</summary>
    Sentence,

    /// <summary>One word.</summary>
    Word,
}
