namespace AlignerOnnx.Training;

/// <summary>A state of training with what it belongs to.</summary>
/// <param name="Identity">The run.</param>
/// <param name="State">The state after the last complete step.</param>
/// <param name="RandomState">What the random choices of the steps to come are made from: the seed. Order and rows of a step follow from it and the step's number.</param>
/// <param name="DataCursor">Rows trained so far, repetitions included: the place in the endless sequence of epochs.</param>
public sealed record Checkpoint(RunIdentity Identity, TrainingState State, ulong RandomState, long DataCursor);
