using AlignerOnnx.Graph;
using Microsoft.ML.OnnxRuntimeGenAI;

namespace AlignerOnnx.GenAI;

/// <summary>A model's native objects. Generations hold them; they are freed in the right order when the owner and the last generation have let go.</summary>
internal sealed class NativeModel
{
    private readonly Lock _gate = new();
    private int _holders = 1;

    internal NativeModel(string folder)
        : this(folder, () => new Model(folder))
    {
    }

    /// <param name="folder">The model's folder.</param>
    /// <param name="load">Loads the model.</param>
    internal NativeModel(string folder, Func<Model> load)
    {
        GenAIRuntime.EnsureReady();
        try
        {
            Model = load();
            Tokenizer = new Tokenizer(Model);
            Adapters = new AdapterSet(Model);
        }
        catch (OnnxRuntimeGenAIException e)
        {
            Tokenizer?.Dispose();
            Model?.Dispose();
            string? remedy = e.Message.Contains("interface not available", StringComparison.Ordinal)
                ? $"take the entry out of provider_options in {Path.Combine(folder, "genai_config.json")} to compute on the processor, or put GenAI's library for that device beside the program" : null;
            throw new ModelRefusedException("ONNX Runtime GenAI cannot load the model", folder, e.Message, remedy: remedy, inner: e);
        }
    }

    internal Model Model { get; }

    internal Tokenizer Tokenizer { get; }

    internal AdapterSet Adapters { get; }

    internal void Hold()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_holders == 0, typeof(ChatModel));
            _holders++;
        }
    }

    internal void LetGo()
    {
        lock (_gate)
        {
            if (--_holders > 0)
            {
                return;
            }
        }
        Adapters.Dispose();
        Tokenizer.Dispose();
        Model.Dispose();
    }
}
