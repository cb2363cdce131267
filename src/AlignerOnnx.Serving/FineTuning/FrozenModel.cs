using System.Security.Cryptography;
using AlignerOnnx.Adapters;
using AlignerOnnx.GenAI;
using AlignerOnnx.Graph;
using AlignerOnnx.GraphRewrites.Gradients;
using AlignerOnnx.GraphRewrites.Recognition;
using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>A recognised base model (or its patched form, whose slots stay at zero): what adapters are trained and measured on.</summary>
internal sealed class FrozenModel
{
    private readonly OnnxModel _model;
    private readonly ComputeDevice _device;

    public FrozenModel(string path, ComputeDevice device = ComputeDevice.Cpu)
    {
        _device = device;
        _model = ModelLoader.Load(path);
        Sites = RecognisedModel.Of(_model).RequireSites();
        Architecture = Architecture.Of(Sites, _model.Path!);
        Folder = Path.GetDirectoryName(_model.Path!)!;
    }

    public IReadOnlyList<AttentionSite> Sites { get; }

    public Architecture Architecture { get; }

    public string Folder { get; }

    /// <summary>SHA-256 over the graph's file and its data files: a checkpoint is only continued on the very same model.</summary>
    public string ComputeHash(CancellationToken cancellation)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 20];
        foreach (string file in _model.DataFiles.Order(StringComparer.Ordinal).Prepend(Path.GetFileName(_model.Path!)))
        {
            using FileStream stream = new(OrdinaryFile.OpenInside(Folder, file, file), FileAccess.Read, bufferSize: 0);
            for (int read = stream.Read(buffer); read > 0; read = stream.Read(buffer))
            {
                cancellation.ThrowIfCancellationRequested();
                hash.AppendData(buffer, 0, read);
            }
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public AdapterShape Shape(int startLayer, int tokens, AttentionReading attention = AttentionReading.Gated) =>
        AdapterShape.Of(Architecture, startLayer, tokens, attention);

    /// <summary>Tokenises data sets with the model's own template.</summary>
    public IReadOnlyList<EncodedDataSet> Encode(int maximumLength, LossOn lossOn, params IReadOnlyList<ConversationDataSet> data)
    {
        EncodedDataCache[] caches = [.. data.Select(set => new EncodedDataCache(Folder, set, maximumLength, lossOn))];
        EncodedDataSet?[] sets = [.. caches.Select(cache => cache.Read())];
        int[] missing = [.. Enumerable.Range(0, sets.Length).Where(i => sets[i] is null)];
        if (missing.Length > 0)
        {
            bool needsTokenizer = missing.Any(i => data[i].Rows.Any(row => row is not TokenRow));
            EncodedDataSet[] made = Encode(maximumLength, lossOn, [.. missing.Select(i => data[i])], needsTokenizer, set => set.Path, (encoder, set) => encoder.Encode(set));
            foreach ((int i, EncodedDataSet set) in missing.Zip(made))
            {
                caches[i].Write(set);
                sets[i] = set;
            }
        }
        return sets!;
    }

    /// <summary>Tokenises preference data with the model's own template.</summary>
    public IReadOnlyList<EncodedPreferences> Encode(int maximumLength, params IReadOnlyList<PreferenceDataSet> data) =>
        Encode(maximumLength, LossOn.LastAnswer, data, needsTokenizer: true, set => set.Path, (encoder, set) => new PreferenceEncoder(encoder).Encode(set));

    /// <summary>GenAI holds the weights for as long, so no longer than needed, and not at all for rows of token ids: those need no tokenizer.</summary>
    private T[] Encode<TData, T>(int maximumLength, LossOn lossOn, IReadOnlyList<TData> data, bool needsTokenizer, Func<TData, string> path, Func<ConversationEncoder, TData, T> encode)
    {
        using ChatModel? chat = needsTokenizer ? new ChatModel(Folder) : null;
        ConversationEncoder encoder = new(
            (turns, open) => chat!.ApplyChatTemplate([.. turns.Select(turn => new ChatTurn(turn.Role, turn.Content))], open),
            text => chat!.Encode(text),
            new EncodingOptions { MaximumLength = maximumLength, LossOn = lossOn, EndOfTextId = chat?.EndOfTextId });
        return [.. data.Select(set => Guard(path(set), () => encode(encoder, set)))];
    }

    /// <summary>Opens the engine that a request asks for.</summary>
    public IGradientEngine OpenForTraining(AdapterStart start, FineTuningRequest request, OrtTrainingProcess? ortTraining, PreferenceLossOptions? preference = null)
    {
        if (ortTraining is null)
        {
            return OpenForTraining(start, request.Recompute, preference);
        }
        ArtifactOptions options = ArtifactOptions.Of(request.Options, start.Attention, start.Layer, start.Parameters.Shape.TokenCount, request.Recompute);
        return new OrtTrainingEngine(ortTraining, _model, options with { Preference = preference });
    }

    /// <summary>Opens plain ONNX Runtime.</summary>
    public OnnxRuntimeEngine OpenForTraining(AdapterStart start, bool recompute, PreferenceLossOptions? preference = null) =>
        new(Graph(TrainingGraphKind.Gradient, start, recompute, preference), Folder, () => Graph(TrainingGraphKind.Evaluation, start), EngineOptions);

    public OnnxRuntimeEngine OpenForEvaluation(AdapterStart start) =>
        OnnxRuntimeEngine.ForEvaluation(Graph(TrainingGraphKind.Evaluation, start), Folder, EngineOptions);

    /// <summary>Reads an adapter that must be of this model.</summary>
    public Adapter LoadAdapter(string folder, bool anyBase)
    {
        Adapter adapter = AdapterPackage.Load(folder);
        adapter.RequireFits(Sites, anyBase);
        return adapter;
    }

    private OnnxRuntimeEngineOptions EngineOptions => new() { Device = _device };

    private byte[] Graph(TrainingGraphKind kind, AdapterStart start, bool recompute = false, PreferenceLossOptions? preference = null)
    {
        TrainingGraphOptions options = new() { Attention = start.Attention, Recompute = recompute, Runtime = EngineOptions.Runtime, Preference = preference };
        return TrainingGraph.Build(_model, kind, start.Layer, start.Parameters.Shape.TokenCount, options).ToBytes();
    }

    private static T Guard<T>(string path, Func<T> encode)
    {
        try
        {
            return encode();
        }
        catch (ArgumentException refusedByTemplate)
        {
            throw new DataRefusedException("The model's chat template does not take a conversation of the data", path, refusedByTemplate.Message, "roles and turns that the model knows", "repair the data", refusedByTemplate);
        }
    }
}
