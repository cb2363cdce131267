namespace AlignerOnnx.Training;

/// <summary>The prompt text of Stanford Alpaca, which the Aligner's authors trained with too; the answer follows it at once.</summary>
internal static class AlpacaTemplate
{
    public static string Prompt(string instruction, string input) => input.Length == 0
        ? $"Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:"
        : $"Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:";
}
