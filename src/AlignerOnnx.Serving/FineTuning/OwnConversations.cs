using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>
/// Conversations that a model makes up by itself: a question is drawn where a user's message begins, and then answered (as in Magpie, arXiv 2406.08464). They show what the model is asked,
/// what it knows and how it answers, so that training can be held to them without any data. Made once for a model and kept in the user's cache as a file of <c>messages</c> rows.
/// </summary>
internal static class OwnConversations
{
    private const int Version = 1;
    private const int QuestionTokens = 64;
    private const int AnswerTokens = 64;
    private const string Marker = "\uE000";

    /// <summary>The file of a model's own conversations.</summary>
    /// <param name="modelFolder">The model's folder.</param>
    /// <param name="modelHash">SHA-256 of the model.</param>
    /// <param name="count">How many, 1 or more.</param>
    /// <param name="say">Is told when they are made.</param>
    /// <param name="working">Is told of each that is made.</param>
    /// <param name="cancellation">Stops making them.</param>
    /// <returns>The file; null where the model has no chat template that a user's message can be drawn from.</returns>
    public static string? FileFor(string modelFolder, string modelHash, int count, Action<string>? say, Action<WorkProgress>? working, CancellationToken cancellation)
    {
        string key = Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes($"{Version} {modelHash} {count} {QuestionTokens} {AnswerTokens}")));
        string path = Path.Combine(ModelCache.Root(), "conversations", $"{key}.jsonl");
        if (!File.Exists(path))
        {
            say?.Invoke($"the model makes up {count} conversations of its own, which are to stay as they are; once for a model, it takes minutes on all but the smallest");
            using ChatModel model = new(modelFolder);
            if (UserHeader(model) is not string header)
            {
                return null;
            }
            string[] rows = Draw(model, header, count, working, cancellation);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicOutput.WriteFile(path, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(rows.Select(row => row + "\n")))));
        }
        return path;
    }

    /// <summary>The text after which a user's message stands.</summary>
    private static string? UserHeader(ChatModel model)
    {
        try
        {
            string text = model.ApplyChatTemplate([new ChatTurn("user", Marker)]);
            int start = text.IndexOf(Marker, StringComparison.Ordinal);
            return start > 0 ? text[..start] : null;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static string[] Draw(ChatModel model, string header, int count, Action<WorkProgress>? working, CancellationToken cancellation)
    {
        WorkCounter counter = new("conversations", count, working);
        return SideBySide.Rows(count, row => counter.Made(Conversation(model, header, row, cancellation)), cancellation);
    }

    private static string Conversation(ChatModel model, string header, int row, CancellationToken cancellation)
    {
        string question = Complete(model, header, QuestionTokens, (2 * row) + 1, cancellation);
        string answer = Complete(model, model.ApplyChatTemplate([new ChatTurn("user", question)]), AnswerTokens, (2 * row) + 2, cancellation);
        return JsonSerializer.Serialize(new { messages = new[] { new { role = "user", content = question }, new { role = ConversationTurn.Assistant, content = answer } } });
    }

    private static string Complete(ChatModel model, string prompt, int tokens, int seed, CancellationToken cancellation) =>
        model.Complete(new GenerationRequest { PromptIds = model.Encode(prompt), MaxNewTokens = tokens, Temperature = 1, Seed = seed }, cancellation).Trim();
}
