using AlignerOnnx.Graph;

namespace AlignerOnnx.GenAI;

/// <summary>Compares a compiled adapter with a model's slots. GenAI itself would notice a misfit only at the first token of a request.</summary>
internal static class AdapterFit
{
    internal static void Require(string adapterPath, IReadOnlyList<Slot> parameters, IReadOnlyList<Slot> slots)
    {
        HashSet<string> seen = [];
        foreach (Slot parameter in parameters)
        {
            string where = $"{adapterPath}, parameter {parameter.Name}";
            Slot slot = slots.FirstOrDefault(s => s.Name == parameter.Name) ?? throw NoSlot(where, slots);
            if (!seen.Add(parameter.Name))
            {
                throw new AdapterRefusedException("The adapter sets the same slot twice", where);
            }
            if (slot.DataType != parameter.DataType || !Accepts(slot.Dimensions, parameter.Dimensions))
            {
                throw new AdapterRefusedException("The adapter's values do not fit the model's slot", where, parameter.ToString(), slot.ToString(),
                    "Compile the adapter for this model: aligner adapter compile");
            }
        }
    }

    private static bool Accepts(IReadOnlyList<long> slot, IReadOnlyList<long> found) =>
        slot.Count == found.Count && slot.Zip(found).All(pair => pair.First == -1 || pair.First == pair.Second);

    private static AdapterRefusedException NoSlot(string where, IReadOnlyList<Slot> slots) => slots.Count == 0
        ? new("The model has no slots for an adapter", where, remedy: "Patch the model first: aligner patch MODEL -o DIR")
        : new("The model has no slot of that name", where, expected: string.Join(", ", slots.Select(s => s.Name)),
            remedy: "Compile the adapter for this model's slot layout: aligner adapter compile");
}
