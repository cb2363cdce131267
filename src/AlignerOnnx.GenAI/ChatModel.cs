using System.Text;
using System.Text.Json;
using AlignerOnnx.Graph;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>
/// A language model that ONNX Runtime GenAI runs, with its tokenizer, its chat template and any number of loaded adapters. Members may be
/// called from many threads; generations run side by side, each with its own adapter.
/// </summary>
public sealed class ChatModel : IDisposable
{
    /// <summary>The name of the meter under which batches measure themselves.</summary>
    public const string MeterName = "AlignerOnnx.GenAI";

    private readonly NativeModel _native;
    private readonly GenAIConfig _config;
    private readonly ITokenEngine _engine;
    private readonly string? _templateWithTools;
    private readonly Lock _tokenizerGate = new();
    private bool _disposed;

    /// <summary>Loads a GenAI model folder. Base models work too; adapters need a patched model.</summary>
    /// <param name="folder">The folder that holds genai_config.json.</param>
    /// <param name="options">How answers are computed; null for the defaults.</param>
    /// <exception cref="ModelRefusedException">The folder is not a GenAI model, is unsafe, or cannot be loaded.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public ChatModel(string folder, ChatModelOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        options ??= new ChatModelOptions();
        options.Check();
        Folder = Path.GetFullPath(folder);
        _config = GenAIConfig.Read(Folder);
        OnnxModel model = ModelLoader.Load(_config.DecoderPath);
        Slots = ModelSlots.Of(model);
        _templateWithTools = ChatTemplate.WithTools(Folder);
        GenAIRuntime.EnsureReady();
        (BatchEngine? batch, NativeModel? native, BatchingObstacle) = options.Batching ? BatchEngine.Open(Folder, _config, model, Slots, options) : (null, null, "it was not asked for");
        Batches = batch?.Batches ?? 0;
        _native = native ?? new NativeModel(Folder);
        _engine = batch ?? (ITokenEngine)new GeneratorEngine(_native, _config, ModelSlots.FirstPrefixId(model));
    }

    /// <summary>The model's folder, as a full path.</summary>
    public string Folder { get; }

    /// <summary>The most tokens of prompt and answer together.</summary>
    public int ContextLength => _config.MaxLength;

    /// <summary>How many token numbers the model knows, as its configuration says.</summary>
    public int VocabularySize => _config.VocabularySize;

    /// <summary>The token that ends a text, as the model's configuration says; of several, the first; null where it names none.</summary>
    public int? EndOfTextId => _config.EndOfTextId;

    /// <summary>The inputs that an adapter may set; empty for a model that is not patched.</summary>
    public IReadOnlyList<Slot> Slots { get; }

    /// <summary>Whether the model's chat template takes tools, calls of them and their results.</summary>
    public bool TemplateTakesTools => _templateWithTools is not null;

    /// <summary>The names of the loaded adapters.</summary>
    public IReadOnlyList<string> Adapters => _engine.Adapters;

    /// <summary>Why answers at the same time are not computed in batches; null where they are.</summary>
    public string? BatchingObstacle { get; }

    /// <summary>How many batches grow side by side (<see cref="ChatModelOptions.Batches"/>); 0 where there are none.</summary>
    public int Batches { get; }

    /// <summary>Turns a conversation into prompt text with the model's own chat template.</summary>
    /// <param name="turns">The messages, oldest first.</param>
    /// <param name="addGenerationPrompt">Whether to end with the words that open the model's answer; true for generation.</param>
    /// <param name="tools">The tools that may be called, a JSON list in OpenAI's form; null for none. Templates that take no tools leave them out.</param>
    /// <exception cref="ArgumentException">The template does not take these turns; the message says why.</exception>
    public string ApplyChatTemplate(IReadOnlyList<ChatTurn> turns, bool addGenerationPrompt = true, string? tools = null)
    {
        ArgumentNullException.ThrowIfNull(turns);
        string? template = tools is null ? null : _templateWithTools;
        try
        {
            string messages = ChatTemplate.Messages(turns, template is null ? null : tools);
            return WithTokenizer(t => t.ApplyChatTemplate(template, messages, null, addGenerationPrompt));
        }
        catch (Exception e) when (e is OnnxRuntimeGenAIException or JsonException)
        {
            throw new ArgumentException($"The model's chat template does not take this conversation: {e.Message}", nameof(turns), e);
        }
    }

    /// <summary>Splits a text into token numbers.</summary>
    /// <param name="text">Any text; the names of special tokens in it become those tokens.</param>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length == 0)
        {
            return [];
        }
        return WithTokenizer(t =>
        {
            using Sequences sequences = t.Encode(text);
            return sequences[0].ToArray();
        });
    }

    /// <summary>The text of some tokens.</summary>
    /// <param name="ids">Token numbers of this model's vocabulary.</param>
    public string Decode(ReadOnlySpan<int> ids)
    {
        if (ids.IsEmpty)
        {
            return "";
        }
        int[] copy = ids.ToArray();
        return WithTokenizer(t => t.Decode(copy));
    }

    /// <summary>Loads a compiled adapter, after checking that each of its parameters fits a slot of the model.</summary>
    /// <param name="name">What requests call it; must be free.</param>
    /// <param name="onnxAdapterPath">The .onnx_adapter file. It is mapped into memory: do not write to it while it is loaded.</param>
    /// <exception cref="AdapterRefusedException">The file is damaged or does not fit the model.</exception>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public void LoadAdapter(string name, string onnxAdapterPath)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentException.ThrowIfNullOrWhiteSpace(onnxAdapterPath);
        string path = Path.GetFullPath(onnxAdapterPath);
        AdapterFit.Require(path, CompiledAdapterFile.Read(path), Slots);
        WithModel(() => _engine.LoadAdapter(name, path));
    }

    /// <summary>Unloads an adapter. Generations that use it finish undisturbed; its name is free at once.</summary>
    /// <param name="name">The name it was loaded under.</param>
    /// <exception cref="ArgumentException">No adapter of that name is loaded.</exception>
    public void UnloadAdapter(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        WithModel(() => _engine.UnloadAdapter(name));
    }

    /// <summary>Generates one token a step while the calling thread waits; leaving the loop early frees the generation.</summary>
    /// <param name="request">What to generate.</param>
    /// <param name="cancellation">Ends the generation before its next token.</param>
    /// <returns>At least one token; the last one says why the answer ended.</returns>
    /// <exception cref="ArgumentException">A value of the request is outside its range, or (from the first step) the adapter is not loaded.</exception>
    /// <exception cref="PromptTooLongException">From the first step: the prompt fills the context.</exception>
    /// <exception cref="OperationCanceledException">From any step: cancelled.</exception>
    public IEnumerable<GeneratedToken> Generate(GenerationRequest request, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed, this);
        request.Check();
        return _engine.Generate(request, cancellation);
    }

    /// <summary>As <see cref="Generate"/>, but the caller's thread is free while the model computes.</summary>
    /// <inheritdoc cref="Generate"/>
    public IAsyncEnumerable<GeneratedToken> GenerateAsync(GenerationRequest request, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed, this);
        request.Check();
        return _engine.GenerateAsync(request, cancellation);
    }

    /// <summary>Generates a whole answer while the calling thread waits.</summary>
    /// <param name="request">What to generate.</param>
    /// <param name="cancellation">Ends the generation before its next token.</param>
    /// <returns>The text of the answer.</returns>
    /// <inheritdoc cref="Generate" path="/exception"/>
    public string Complete(GenerationRequest request, CancellationToken cancellation = default) => string.Concat(Generate(request, cancellation).Select(token => token.Text));

    /// <summary>Frees the model; memory goes when the last running generation has ended.</summary>
    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _disposed, true))
        {
            _engine.Dispose();
        }
    }

    private void WithModel(Action action)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _native.Hold();
        try
        {
            action();
        }
        finally
        {
            _native.LetGo();
        }
    }

    private T WithTokenizer<T>(Func<Tokenizer, T> use)
    {
        T result = default!;
        WithModel(() =>
        {
            // The native tokenizer does not promise to be safe for several threads.
            lock (_tokenizerGate)
            {
                result = use(_native.Tokenizer);
            }
        });
        return result;
    }
}
