namespace AlignerOnnx.ModelFuzz;

/// <summary>A sound model to change.</summary>
/// <param name="Name">The export.</param>
/// <param name="Model">The .onnx file, its weights outside.</param>
/// <param name="File">Where a changed model is written: beside the data files.</param>
internal sealed record Seed(string Name, byte[] Model, string File);
