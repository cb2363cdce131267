using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;

namespace AlignerOnnx.Serving;

/// <summary>A model to talk to with the adapter of the moment. It is loaded as it is until an adapter is named, then in the patched form that takes it.</summary>
public sealed class AdaptedModel : IDisposable
{
    private readonly string _named;
    private readonly bool _anyBase;
    private PreparedAdapters? _prepared;
    private ChatModel? _model;

    /// <summary>Names a model; it is loaded when it is first used.</summary>
    /// <param name="model">A model folder or an .onnx file, patched or not.</param>
    /// <param name="anyBase">Accept adapters of another quantisation of the model.</param>
    /// <exception cref="ModelRefusedException">There is no such model.</exception>
    public AdaptedModel(string model, bool anyBase)
    {
        _named = model;
        _anyBase = anyBase;
        Folder = Path.GetDirectoryName(ModelPaths.FindOnnxFile(model))!;
    }

    /// <summary>The loaded model.</summary>
    /// <exception cref="ModelRefusedException">It cannot be loaded.</exception>
    public ChatModel Model => _model ??= new ChatModel(Folder);

    /// <summary>The name of the adapter in use, for <see cref="GenerationRequest.Adapter"/>; null for the base model.</summary>
    public string? Adapter { get; private set; }

    private string Folder { get; set; }

    /// <summary>Takes an adapter into use; where that is refused, the one before stays, or the base model where the model had to be patched anew.</summary>
    /// <param name="adapter">An adapter folder or an .onnx_adapter file; null for the base model.</param>
    /// <exception cref="AdapterRefusedException">It is damaged or does not fit the model.</exception>
    /// <exception cref="ModelRefusedException">The model cannot be patched for it.</exception>
    public void Use(string? adapter)
    {
        if (adapter is null)
        {
            Adapter = null;
            return;
        }
        string folder = ModelCache.PatchedFor(_named, adapter);
        if (folder == Folder && _prepared is not null)
        {
            Load(adapter, _prepared.Prepare(adapter));
            return;
        }
        PreparedAdapters prepared = new(folder, _anyBase);
        try
        {
            AdapterSource source = prepared.Prepare(adapter);
            Reopen(folder, prepared);
            Load(adapter, source);
        }
        catch
        {
            if (prepared != _prepared)
            {
                prepared.Dispose();
            }
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _model?.Dispose();
        _prepared?.Dispose();
    }

    private void Load(string adapter, AdapterSource source)
    {
        string name = Path.GetFullPath(adapter);
        if (!Model.Adapters.Contains(name))
        {
            Model.LoadAdapter(name, source.Path);
        }
        Adapter = name;
    }

    private void Reopen(string folder, PreparedAdapters prepared)
    {
        if (folder != Folder)
        {
            _model?.Dispose();
            _model = null;
            Folder = folder;
        }
        _prepared?.Dispose();
        _prepared = prepared;
        Adapter = null;
    }
}
