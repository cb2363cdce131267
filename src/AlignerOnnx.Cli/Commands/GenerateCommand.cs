using System.CommandLine;
using System.Text;
using AlignerOnnx.GenAI;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner generate</c>: one answer of a model, with or without an adapter, through ONNX Runtime GenAI.</summary>
internal sealed class GenerateCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string> _prompt = new("--prompt", "-p") { Description = "What to ask.", HelpName = "TEXT", Required = true };
    private readonly Option<string?> _system = new("--system") { Description = "The system message that stands before the prompt.", HelpName = "TEXT" };
    private readonly Option<string?> _adapter = CommonOptions.Adapter();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly GenerationOptions _answers = new(maximumTokens: 128);
    private readonly Option<bool> _raw = new("--raw") { Description = "Continue the prompt as it is, without the model's chat template." };

    public GenerateCommand() : base("generate", "Write one answer, with or without an adapter.")
    {
        Arguments.Add(_model);
        Options.Add(_prompt);
        Options.Add(_system);
        Options.Add(_adapter);
        Options.Add(_anyBase);
        _answers.AddTo(this);
        Options.Add(_raw);
    }

    public override IReadOnlyList<string> Examples => ["aligner generate models/pocket/model-int4 --prompt \"What is the capital of France?\""];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string? adapter = parsed.GetValue(_adapter);
        using AdaptedModel adapted = new(parsed.GetRequiredValue(_model), parsed.GetValue(_anyBase));
        adapted.Use(adapter);
        ChatModel model = adapted.Model;
        int[] prompt = model.Encode(PromptText(parsed, model));
        GenerationRequest request = _answers.RequestOf(parsed) with { PromptIds = prompt, Adapter = adapted.Adapter };
        StringBuilder text = new();
        int tokens = 0;
        FinishReason finish = FinishReason.None;
        await foreach (GeneratedToken token in model.GenerateAsync(request, cancellation).ConfigureAwait(false))
        {
            text.Append(token.Text);
            output.Text(token.Text);
            tokens++;
            finish = token.Finish;
        }
        output.Result(new Answer(text.ToString(), adapter, prompt.Length, tokens, finish), _ => output.Line());
        return ExitCodes.Done;
    }

    private string PromptText(ParseResult parsed, ChatModel model)
    {
        string prompt = parsed.GetRequiredValue(_prompt);
        if (parsed.GetValue(_raw))
        {
            return prompt;
        }
        List<ChatTurn> turns = [];
        if (parsed.GetValue(_system) is { } system)
        {
            turns.Add(new ChatTurn("system", system));
        }
        turns.Add(new ChatTurn("user", prompt));
        return model.ApplyChatTemplate(turns);
    }

    /// <summary>What <c>aligner generate --json</c> writes.</summary>
    private sealed record Answer(string Text, string? Adapter, int PromptTokens, int CompletionTokens, FinishReason FinishReason);
}
