namespace AlignerOnnx.GenAI;

/// <summary>What the batches of an engine have in common.</summary>
/// <param name="Queue">Where answers wait.</param>
/// <param name="Loads">How many answers each batch has.</param>
/// <param name="Prompts">Keys and values of earlier prompts.</param>
/// <param name="Measures">What is measured of all together.</param>
/// <param name="Slots">The slots of the model.</param>
/// <param name="ContextLength">The most positions of an answer.</param>
/// <param name="PromptChunk">Tokens of prompts between two steps.</param>
internal sealed record SharedBatchParts(BatchQueue Queue, BatchLoads Loads, PromptCache Prompts, BatchMeasures Measures, IReadOnlyList<Slot> Slots, int ContextLength, int PromptChunk);
