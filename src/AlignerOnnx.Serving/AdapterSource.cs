namespace AlignerOnnx.Serving;

/// <summary>An adapter to serve.</summary>
/// <param name="Name">What clients write in <c>model</c> to get it; unique, and not the base model's name.</param>
/// <param name="Path">The compiled adapter, an .onnx_adapter file.</param>
public sealed record AdapterSource(string Name, string Path);
