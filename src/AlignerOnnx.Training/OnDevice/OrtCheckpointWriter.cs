using System.Runtime.InteropServices;
using Google.FlatBuffers;

namespace AlignerOnnx.Training;

/// <summary>The tables of checkpoint.fbs, written from the inside out as FlatBuffers want it; each method gives the place of what it wrote.</summary>
internal sealed class OrtCheckpointWriter
{
    private const int DataAlignment = 8;
    private readonly FlatBufferBuilder _builder = new(4096);

    public int Tensor(string name, float[] data, params ReadOnlySpan<long> shape)
    {
        StringOffset nameOffset = _builder.CreateString(name);
        _builder.StartVector(sizeof(long), shape.Length, sizeof(long));
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            _builder.AddLong(shape[i]);
        }
        int dimensions = _builder.EndVector().Value;
        _builder.StartVector(1, data.Length * sizeof(float), DataAlignment);
        _builder.Add(new ArraySegment<byte>(MemoryMarshal.AsBytes(data.AsSpan()).ToArray()));
        int raw = _builder.EndVector().Value;
        _builder.StartTable(7);
        _builder.AddOffset(0, nameOffset.Value, 0);
        _builder.AddOffset(2, dimensions, 0);
        _builder.AddInt(3, OrtCheckpointFile.Float, 0);
        _builder.AddOffset(4, raw, 0);
        return _builder.EndTable();
    }

    public int ModuleState(params ReadOnlySpan<int> trainable)
    {
        int parameters = Vector(trainable);
        // The loader wants the list of frozen parameters, empty as it is.
        int frozen = Vector();
        _builder.StartTable(4);
        _builder.AddOffset(0, parameters, 0);
        _builder.AddOffset(1, frozen, 0);
        return _builder.EndTable();
    }

    public int ParameterState(string name, params ReadOnlySpan<int> moments)
    {
        StringOffset nameOffset = _builder.CreateString(name);
        int tensors = Vector(moments);
        _builder.StartTable(2);
        _builder.AddOffset(0, nameOffset.Value, 0);
        _builder.AddOffset(1, tensors, 0);
        return _builder.EndTable();
    }

    public int OptimizerGroup(string name, long step, params ReadOnlySpan<int> states)
    {
        StringOffset nameOffset = _builder.CreateString(name);
        int all = Vector(states);
        _builder.StartTable(4);
        _builder.AddOffset(0, nameOffset.Value, 0);
        _builder.AddLong(1, step, 0);
        _builder.AddOffset(3, all, 0);
        return _builder.EndTable();
    }

    public int PropertyBag(params ReadOnlySpan<(string Name, string Value)> texts)
    {
        int[] properties = new int[texts.Length];
        for (int i = 0; i < properties.Length; i++)
        {
            StringOffset name = _builder.CreateString(texts[i].Name);
            StringOffset value = _builder.CreateString(texts[i].Value);
            _builder.StartTable(2);
            _builder.AddOffset(0, name.Value, 0);
            _builder.AddOffset(1, value.Value, 0);
            properties[i] = _builder.EndTable();
        }
        int all = Vector(properties);
        _builder.StartTable(3);
        _builder.AddOffset(2, all, 0);
        return _builder.EndTable();
    }

    public byte[] Finish(int module, int? group, int properties)
    {
        int? groups = group is int one ? Vector(one) : null;
        _builder.StartTable(4);
        _builder.AddInt(0, OrtCheckpointFile.Version, 0);
        _builder.AddOffset(1, module, 0);
        if (groups is int all)
        {
            _builder.AddOffset(2, all, 0);
        }
        _builder.AddOffset(3, properties, 0);
        _builder.Finish(_builder.EndTable(), OrtCheckpointFile.Identifier);
        return _builder.SizedByteArray();
    }

    private int Vector(params ReadOnlySpan<int> tables)
    {
        _builder.StartVector(sizeof(int), tables.Length, sizeof(int));
        for (int i = tables.Length - 1; i >= 0; i--)
        {
            _builder.AddOffset(tables[i]);
        }
        return _builder.EndVector().Value;
    }
}
