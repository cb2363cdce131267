using System.Text;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.Serving;

namespace AlignerOnnx.Cli;

/// <summary>A conversation line by line: a line is a question, or a command where it starts with a slash. On a terminal a refusal is a message; in a script it ends the conversation.</summary>
internal sealed class ChatLoop(AdaptedModel model, Conversation conversation, GenerationRequest options, CommandOutput output)
{
    public const string Commands = "/adapter NAME answers with an adapter (a folder or an .onnx_adapter file), /adapter without one; /reset forgets what was said; /exit ends; Ctrl-C stops an answer.";

    private readonly List<Exchange> _exchanges = [];

    /// <summary>Every question and its answer.</summary>
    public IReadOnlyList<Exchange> Exchanges => _exchanges;

    private static bool OnTerminal => !Console.IsInputRedirected;

    public async Task RunAsync(CancellationToken cancellation)
    {
        while (await ReadLineAsync(cancellation).ConfigureAwait(false) is { } line && line.Trim() != "/exit")
        {
            try
            {
                await TakeAsync(line.Trim(), cancellation).ConfigureAwait(false);
            }
            catch (RefusedException refusal) when (OnTerminal)
            {
                output.Message($"aligner: {refusal.Message}");
            }
        }
    }

    private async Task<string?> ReadLineAsync(CancellationToken cancellation)
    {
        if (OnTerminal)
        {
            output.Prompt("> ");
        }
        // The console's reader does not let go of the thread before a line is there; Ctrl-C must end the conversation all the same.
        return await Task.Run(Console.In.ReadLine, CancellationToken.None).WaitAsync(cancellation).ConfigureAwait(false);
    }

    private async Task TakeAsync(string line, CancellationToken cancellation)
    {
        string[] words = line.Split(' ', 2, StringSplitOptions.TrimEntries);
        switch (words)
        {
            case [""]:
                break;
            case ["/reset"]:
                conversation.Reset();
                break;
            case ["/adapter", .. var name]:
                model.Use(name is [{ Length: > 0 } path] ? path : null);
                break;
            case ["/help"]:
                output.Message(Commands);
                break;
            case [['/', ..], ..]:
                throw new DataRefusedException("There is no such command", "the conversation", words[0], "/adapter, /reset, /help or /exit", "a question does not start with a slash");
            default:
                await AnswerAsync(line, cancellation).ConfigureAwait(false);
                break;
        }
    }

    private async Task AnswerAsync(string question, CancellationToken cancellation)
    {
        StringBuilder text = new();
        (int tokens, FinishReason finish) = (0, FinishReason.None);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            using IDisposable interruption = Interruption.Take(stop.Cancel);
            await foreach (GeneratedToken token in conversation.AskAsync(model.Model, question, options with { Adapter = model.Adapter }, stop.Token).ConfigureAwait(false))
            {
                text.Append(token.Text);
                output.Text(token.Text);
                (tokens, finish) = (tokens + 1, token.Finish);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Ctrl-C: the answer stays as far as it came.
        }
        catch (PromptTooLongException tooLong)
        {
            throw new DataRefusedException("The conversation fills the model's context", "the conversation", $"{tooLong.PromptTokens} tokens", $"fewer than {tooLong.ContextLength}", "start anew with /reset", tooLong);
        }
        output.Line();
        _exchanges.Add(new Exchange(question, text.ToString(), model.Adapter, conversation.PromptTokens, tokens, finish));
    }

    /// <summary>A question and its answer; <see cref="FinishReason.None"/> where the answer was stopped.</summary>
    internal sealed record Exchange(string Prompt, string Text, string? Adapter, int PromptTokens, int CompletionTokens, FinishReason FinishReason);
}
