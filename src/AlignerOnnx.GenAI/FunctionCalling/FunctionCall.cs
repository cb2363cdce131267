namespace AlignerOnnx.GenAI;

/// <summary>A function that a model called.</summary>
/// <param name="Id">What results refer to.</param>
/// <param name="Name">The function.</param>
/// <param name="Arguments">Its arguments, JSON as text.</param>
public sealed record FunctionCall(string Id, string Name, string Arguments);
