using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>One GenAI generator for each answer: works with every model that GenAI runs; answers at the same time compete for the processor.</summary>
internal sealed class GeneratorEngine(NativeModel native, GenAIConfig config, int firstPrefixId) : ITokenEngine
{
    public IReadOnlyList<string> Adapters => native.Adapters.Names;

    public void LoadAdapter(string name, string path) => native.Adapters.Load(name, path);

    public void UnloadAdapter(string name) => native.Adapters.Unload(name);

    /// <summary>Runs while it is enumerated, on the enumerating thread; disposing the enumerator frees the generator.</summary>
    public IEnumerable<GeneratedToken> Generate(GenerationRequest request, CancellationToken cancellation)
    {
        native.Hold();
        AdapterSet.Entry? adapter = null;
        try
        {
            adapter = request.Adapter is null ? null : native.Adapters.Hold(request.Adapter);
            int[] prompt = [.. Enumerable.Range(firstPrefixId, adapter?.PrefixRows ?? 0), .. request.PromptIds];
            int maxLength = GeneratorFactory.MaxLength(config, request, prompt.Length);
            Generator generator = GeneratorFactory.Create(native, request, maxLength);
            using (GeneratorSearch search = new(generator, request))
            {
                native.Adapters.Activate(adapter, generator);
                cancellation.ThrowIfCancellationRequested();
                generator.AppendTokens(prompt);
                using AnswerText text = new(native, request, maxLength - prompt.Length);
                GeneratedToken token;
                do
                {
                    cancellation.ThrowIfCancellationRequested();
                    token = text.Add(search.Choose());
                    yield return token;
                }
                while (token.Finish == FinishReason.None);
            }
        }
        finally
        {
            if (adapter is not null)
            {
                native.Adapters.Release(adapter);
            }
            native.LetGo();
        }
    }

    /// <summary>As <see cref="Generate"/>, on a thread of its own.</summary>
    public async IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        IEnumerable<GeneratedToken> tokens = Generate(request, ended.Token);
        // Unbounded: an answer is short, and a slow reader should not keep a generation's memory longer than needed.
        Channel<GeneratedToken> channel = Channel.CreateUnbounded<GeneratedToken>(new() { SingleReader = true, SingleWriter = true });
        Task producer = Task.Factory.StartNew(() => Fill(channel.Writer, tokens), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await foreach (GeneratedToken token in channel.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                // What was computed before the cancellation is not given after it.
                cancellation.ThrowIfCancellationRequested();
                yield return token;
            }
        }
        finally
        {
            // The generator must be gone before the caller goes on, whichever way the loop was left.
            await ended.CancelAsync().ConfigureAwait(false);
            await producer.ConfigureAwait(false);
        }
    }

    public void Dispose() => native.LetGo();

    private static void Fill(ChannelWriter<GeneratedToken> writer, IEnumerable<GeneratedToken> tokens)
    {
        Exception? failure = null;
        try
        {
            foreach (GeneratedToken token in tokens)
            {
                writer.TryWrite(token);
            }
        }
#pragma warning disable CA1031 // Every failure goes to the reader, which throws it again.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure = e;
        }
        writer.Complete(failure);
    }
}
