using AlignerOnnx.Adapters;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace AlignerOnnx.Training;

/// <summary>An adapter's slot values as ONNX Runtime takes them.</summary>
public sealed class SlotValues : IDisposable
{
    /// <summary>Takes over a compiled adapter.</summary>
    /// <param name="parameters">Its slots.</param>
    public SlotValues(IReadOnlyList<AdapterParameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Values = [.. parameters.Select(parameter => (parameter.Name, ToValue(parameter)))];
    }

    /// <summary>Name and value of each slot.</summary>
    internal IReadOnlyList<(string Name, OrtValue Value)> Values { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((_, OrtValue value) in Values)
        {
            value.Dispose();
        }
    }

    // Numbers of element types are the same in ONNX and ONNX Runtime.
    private static OrtValue ToValue(AdapterParameter parameter)
    {
        OrtValue value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, (TensorElementType)(int)parameter.Type, [.. parameter.Shape]);
        parameter.Data.Span.CopyTo(value.GetTensorMutableRawData());
        return value;
    }
}
