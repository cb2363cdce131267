using Microsoft.ML.OnnxRuntime;

namespace AlignerOnnx.Training;

/// <summary>The pinned buffers of tokens, gates and their gradients, made once and read and written by every run.</summary>
internal sealed class ParameterBuffers : IDisposable
{
    private readonly float[] _tokens;
    private readonly float[] _gates;

    public ParameterBuffers(AdapterShape shape)
    {
        Shape = shape;
        _tokens = new float[shape.TokenValues];
        _gates = new float[shape.GateValues];
        TokenGradient = new float[shape.TokenValues];
        GateGradient = new float[shape.GateValues];
        long[] tokenShape = [shape.TokenCount, shape.HiddenSize];
        long[] gateShape = [shape.AdaptedLayers, shape.HeadCount];
        Inputs = [OrtValue.CreateTensorValueFromMemory(_tokens, tokenShape)];
        Outputs = [OrtValue.CreateTensorValueFromMemory(TokenGradient, tokenShape)];
        if (shape.GateValues > 0)
        {
            Inputs = [.. Inputs, OrtValue.CreateTensorValueFromMemory(_gates, gateShape)];
            Outputs = [.. Outputs, OrtValue.CreateTensorValueFromMemory(GateGradient, gateShape)];
        }
    }

    public AdapterShape Shape { get; }

    /// <summary>Tokens, and gates where there are any.</summary>
    public OrtValue[] Inputs { get; }

    /// <summary>Gradient of tokens, and of gates where there are any.</summary>
    public OrtValue[] Outputs { get; }

    public float[] TokenGradient { get; }

    public float[] GateGradient { get; }

    public void Load(AdapterParameters parameters)
    {
        parameters.Tokens.CopyTo(_tokens, 0);
        parameters.Gates.CopyTo(_gates, 0);
    }

    public void Dispose()
    {
        foreach (OrtValue value in Inputs.Concat(Outputs))
        {
            value.Dispose();
        }
    }
}
