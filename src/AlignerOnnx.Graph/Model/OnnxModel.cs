using Google.Protobuf;
using Onnx;

namespace AlignerOnnx.Graph;

/// <summary>A model in memory: its graph with use-def links, its header fields, and where its external data lies. Weights stay on disk.</summary>
public sealed class OnnxModel
{
    private readonly ModelProto _header;

    internal OnnxModel(ModelProto header, OnnxGraph graph, string? path, IReadOnlySet<string> dataFiles)
    {
        _header = header;
        Graph = graph;
        Path = path;
        DataFiles = dataFiles;
    }

    /// <summary>The graph.</summary>
    public OnnxGraph Graph { get; }

    /// <summary>The file it was read from; null for a model made in memory.</summary>
    public string? Path { get; }

    /// <summary>The files that hold its external data, names relative to its folder.</summary>
    public IReadOnlySet<string> DataFiles { get; }

    /// <summary>The ONNX IR version.</summary>
    public long IrVersion
    {
        get => _header.IrVersion;
        set => _header.IrVersion = value;
    }

    /// <summary>Who wrote the model, for example <c>onnxruntime-genai</c>.</summary>
    public string ProducerName => _header.ProducerName;

    /// <summary>The version of an operator domain that the model imports; 0 where it does not import it.</summary>
    public long Opset(string domain = Domains.Standard) =>
        _header.OpsetImport.FirstOrDefault(import => Domains.Normalise(import.Domain) == domain)?.Version ?? 0;

    /// <summary>Imports an operator domain at least at this version.</summary>
    public void RequireOpset(string domain, long version)
    {
        OperatorSetIdProto? import = _header.OpsetImport.FirstOrDefault(i => Domains.Normalise(i.Domain) == domain);
        if (import is null)
        {
            _header.OpsetImport.Add(new OperatorSetIdProto { Domain = domain, Version = version });
        }
        else if (import.Version < version)
        {
            import.Version = version;
        }
    }

    /// <summary>Imports an operator domain at most at this version; only for graphs whose operators mean the same in both.</summary>
    public void LimitOpset(string domain, long version)
    {
        if (_header.OpsetImport.FirstOrDefault(i => Domains.Normalise(i.Domain) == domain) is { } import && import.Version > version)
        {
            import.Version = version;
        }
    }

    /// <summary>Sets one entry of the model's metadata.</summary>
    public void SetMetadata(string key, string value)
    {
        StringStringEntryProto? entry = _header.MetadataProps.FirstOrDefault(e => e.Key == key);
        if (entry is null)
        {
            _header.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        }
        else
        {
            entry.Value = value;
        }
    }

    /// <summary>Removes one entry of the model's metadata; nothing where it is absent.</summary>
    public void RemoveMetadata(string key)
    {
        if (_header.MetadataProps.FirstOrDefault(e => e.Key == key) is { } entry)
        {
            _header.MetadataProps.Remove(entry);
        }
    }

    /// <summary>One entry of the model's metadata; null where it is absent.</summary>
    public string? Metadata(string key) => _header.MetadataProps.FirstOrDefault(e => e.Key == key)?.Value;

    /// <summary>The model as ONNX protobuf, nodes in topological order.</summary>
    /// <exception cref="InvalidOperationException">The graph has a cycle.</exception>
    public ModelProto ToProto()
    {
        ModelProto proto = _header.Clone();
        proto.Graph = Graph.ToProto();
        return proto;
    }

    /// <summary>The model as the bytes of an .onnx file.</summary>
    public byte[] ToBytes() => ToProto().ToByteArray();

    /// <summary>An independent copy whose graph can be rewritten without touching this one.</summary>
    public OnnxModel Clone() => ModelLoader.FromProto(ToProto(), Path);
}
