using AlignerOnnx.Graph;
using Microsoft.ML.OnnxRuntimeGenAI;
using NativeAdapters = Microsoft.ML.OnnxRuntimeGenAI.Adapters;

namespace AlignerOnnx.GenAI;

/// <summary>The adapters that a model has loaded. One that is unloaded while generations use it leaves memory when the last of them ends.</summary>
internal sealed class AdapterSet(Model model) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly NativeAdapters _native = new(model);
    private readonly Dictionary<string, Entry> _byName = new(StringComparer.Ordinal);
    private int _lastNumber;

    internal IReadOnlyList<string> Names
    {
        get
        {
            lock (_gate)
            {
                return [.. _byName.Keys];
            }
        }
    }

    internal void Load(string name, string path)
    {
        lock (_gate)
        {
            if (_byName.ContainsKey(name))
            {
                throw AdapterNames.Taken(name);
            }
            // Numbered, so that a name is free again at once after unloading.
            Entry entry = new($"{++_lastNumber}", SlotValues.PrefixRowsOf(CompiledAdapterFile.Read(path)));
            try
            {
                _native.LoadAdapter(path, entry.NativeName);
            }
            catch (OnnxRuntimeGenAIException e)
            {
                throw new AdapterRefusedException("ONNX Runtime cannot load the adapter", path, e.Message, inner: e);
            }
            _byName.Add(name, entry);
        }
    }

    internal void Unload(string name)
    {
        lock (_gate)
        {
            if (!_byName.Remove(name, out Entry? entry))
            {
                throw AdapterNames.Unknown(name, _byName.Keys);
            }
            entry.Wanted = false;
            UnloadIfIdle(entry);
        }
    }

    /// <summary>Keeps the adapter loaded until <see cref="Release"/>.</summary>
    internal Entry Hold(string name)
    {
        lock (_gate)
        {
            Entry entry = _byName.GetValueOrDefault(name) ?? throw AdapterNames.Unknown(name, _byName.Keys);
            entry.Users++;
            return entry;
        }
    }

    /// <summary>Makes an adapter active in a generator.</summary>
    internal void Activate(Entry? entry, Generator generator)
    {
        if (entry is not null)
        {
            lock (_gate)
            {
                generator.SetActiveAdapter(_native, entry.NativeName);
            }
        }
    }

    /// <summary>To be called after the generator is disposed.</summary>
    internal void Release(Entry entry)
    {
        lock (_gate)
        {
            entry.Users--;
            UnloadIfIdle(entry);
        }
    }

    public void Dispose() => _native.Dispose();

    private void UnloadIfIdle(Entry entry)
    {
        if (!entry.Wanted && entry.Users == 0)
        {
            _native.UnloadAdapter(entry.NativeName);
        }
    }

    internal sealed class Entry(string nativeName, int prefixRows)
    {
        internal string NativeName => nativeName;

        /// <summary>Tokens that stand before the prompt.</summary>
        internal int PrefixRows => prefixRows;

        internal bool Wanted { get; set; } = true;

        internal int Users { get; set; }
    }
}
