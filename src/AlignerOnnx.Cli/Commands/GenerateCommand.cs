using System.CommandLine;
using System.Text;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
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
    private readonly Option<int> _maximum = CommonOptions.Whole("--max-tokens", "The most tokens to answer with.", standard: 128, least: 1);
    private readonly Option<double> _temperature = CommonOptions.Number("--temperature", "0 takes the likeliest token always; above, tokens are drawn.", standard: 0, least: 0, most: 10);
    private readonly Option<int> _seed = CommonOptions.Seed();
    private readonly Option<bool> _raw = new("--raw") { Description = "Continue the prompt as it is, without the model's chat template." };

    public GenerateCommand() : base("generate", "Write one answer, with or without an adapter.")
    {
        Arguments.Add(_model);
        Options.Add(_prompt);
        Options.Add(_system);
        Options.Add(_adapter);
        Options.Add(_anyBase);
        Options.Add(_maximum);
        Options.Add(_temperature);
        Options.Add(_seed);
        Options.Add(_raw);
    }

    public override IReadOnlyList<string> Examples => ["aligner generate models/pocket/model-int4 --prompt \"What is the capital of France?\""];

    protected override async Task<int> ExecuteAsync(ParseResult parsed, CommandOutput output, CancellationToken cancellation)
    {
        string? adapter = parsed.GetValue(_adapter);
        string named = parsed.GetRequiredValue(_model);
        string folder = adapter is null ? Path.GetDirectoryName(ModelPaths.FindOnnxFile(named))! : ModelCache.PatchedFor(named, adapter);
        using PreparedAdapters adapters = new(folder, parsed.GetValue(_anyBase));
        AdapterSource? source = adapter is null ? null : adapters.Prepare(adapter);
        using ChatModel model = new(folder);
        if (source is not null)
        {
            model.LoadAdapter(source.Name, source.Path);
        }
        int[] prompt = model.Encode(PromptText(parsed, model));
        GenerationRequest request = new()
        {
            PromptIds = prompt,
            Adapter = source?.Name,
            MaxNewTokens = parsed.GetValue(_maximum),
            Temperature = (float)parsed.GetValue(_temperature),
            Seed = parsed.GetValue(_seed),
        };
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
