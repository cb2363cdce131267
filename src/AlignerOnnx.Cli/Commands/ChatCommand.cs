using System.CommandLine;
using AlignerOnnx.GenAI;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary><c>aligner chat</c>: a conversation on the terminal, or one line a turn from a file or pipe.</summary>
internal sealed class ChatCommand : AlignerCommand
{
    private readonly Argument<string> _model = CommonOptions.Model();
    private readonly Option<string?> _system = new("--system") { Description = "The system message that stands before the conversation.", HelpName = "TEXT" };
    private readonly Option<string?> _adapter = CommonOptions.Adapter();
    private readonly Option<bool> _anyBase = CommonOptions.AnyBase();
    private readonly GenerationOptions _answers = new(maximumTokens: 512);

    public ChatCommand() : base("chat", $"Talk with a model, with or without an adapter. A line is a question. {ChatLoop.Commands}")
    {
        Arguments.Add(_model);
        Options.Add(_system);
        Options.Add(_adapter);
        Options.Add(_anyBase);
        _answers.AddTo(this);
    }

    public override IReadOnlyList<string> Examples => ["aligner chat models/pocket/model-int4", "aligner chat models/pocket/model-int4 --adapter my-adapters/json"];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        using AdaptedModel model = new(parsed.GetRequiredValue(_model), parsed.GetValue(_anyBase));
        model.Use(parsed.GetValue(_adapter));
        // A model that cannot be loaded is refused before the first question.
        _ = model.Model;
        ChatLoop loop = new(model, new Conversation(parsed.GetValue(_system)), _answers.RequestOf(parsed), output);
        await loop.RunAsync(cancellation).ConfigureAwait(false);
        output.Result(new Report(loop.Exchanges), static _ => { });
        return ExitCodes.Done;
    }

    /// <summary>What <c>aligner chat --json</c> writes at the end.</summary>
    private sealed record Report(IReadOnlyList<ChatLoop.Exchange> Exchanges);
}
