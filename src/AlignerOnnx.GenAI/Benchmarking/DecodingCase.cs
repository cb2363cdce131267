namespace AlignerOnnx.GenAI;

/// <summary>What is measured: a step of some answers, or reading a prompt.</summary>
/// <param name="Rows">Answers.</param>
/// <param name="Prompt">Tokens of the prompt; 0 for a step.</param>
internal readonly record struct DecodingCase(int Rows, int Prompt)
{
    internal string Name => Prompt > 0 ? $"a token of a prompt of {Prompt}" : Rows == 1 ? "a step of 1 answer" : $"a step of {Rows} answers";
}
