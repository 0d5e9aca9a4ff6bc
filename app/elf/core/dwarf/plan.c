/* Compiling the plans of plan.h. */
#include "plan.h"

static Action action_of(uint16_t tag)
{
    switch (tag) {
    case DW_TAG_array_type:
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
    case DW_TAG_string_type:
    case DW_TAG_subroutine_type:
    case DW_TAG_ptr_to_member_type:
    case DW_TAG_set_type:
    case DW_TAG_subrange_type:
    case DW_TAG_generic_subrange:
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
    case DW_TAG_immutable_type:
    case DW_TAG_shared_type:
    case DW_TAG_packed_type:
    case DW_TAG_file_type:
    case DW_TAG_thrown_type:
    case DW_TAG_unspecified_type:
    case DW_TAG_coarray_type:
    case DW_TAG_dynamic_type:
        return ACT_TYPE;
    case DW_TAG_member:
        return ACT_MEMBER;
    case DW_TAG_base_type:
    case DW_TAG_typedef:
    case DW_TAG_template_alias:
        return ACT_NAMED;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_interface_type:
        return ACT_CLASS;
    case DW_TAG_enumeration_type:
        return ACT_ENUM;
    case DW_TAG_namespace:
    case DW_TAG_module:
        return ACT_NAMESPACE;
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
    case DW_TAG_common_block:
        return ACT_BLOCK;
    case DW_TAG_GNU_formal_parameter_pack:
        return ACT_PACK;
    case DW_TAG_subprogram:
        return ACT_FUNCTION;
    case DW_TAG_inlined_subroutine:
        return ACT_INLINED;
    case DW_TAG_formal_parameter:
        return ACT_PARAMETER;
    case DW_TAG_unspecified_parameters:
        return ACT_ELLIPSIS;
    case DW_TAG_variable:
        return ACT_VARIABLE;
    case DW_TAG_imported_unit:
        return ACT_IMPORT;
    default:
        return ACT_PASS;
    }
}

static Slot slot_of(uint16_t name)
{
    switch (name) {
    case DW_AT_sibling:
        return SLOT_SIBLING;
    case DW_AT_name:
        return SLOT_NAME;
    case DW_AT_linkage_name:
    case DW_AT_MIPS_linkage_name:
        return SLOT_LINKAGE;
    case DW_AT_decl_file:
        return SLOT_FILE;
    case DW_AT_decl_line:
        return SLOT_LINE;
    case DW_AT_type:
        return SLOT_TYPE;
    case DW_AT_abstract_origin:
    case DW_AT_extension:
        return SLOT_ORIGIN;
    case DW_AT_specification:
        return SLOT_SPECIFICATION;
    case DW_AT_low_pc:
        return SLOT_LOW;
    case DW_AT_high_pc:
        return SLOT_HIGH;
    case DW_AT_ranges:
        return SLOT_RANGES;
    case DW_AT_entry_pc:
        return SLOT_ENTRY;
    case DW_AT_inline:
        return SLOT_INLINE;
    case DW_AT_location:
        return SLOT_LOCATION;
    case DW_AT_byte_size:
        return SLOT_SIZE;
    case DW_AT_signature:
        return SLOT_SIGNATURE;
    case DW_AT_containing_type:
        return SLOT_CONTAINER;
    case DW_AT_call_file:
        return SLOT_CALL_FILE;
    case DW_AT_call_line:
        return SLOT_CALL_LINE;
    case DW_AT_call_column:
        return SLOT_CALL_COLUMN;
    case DW_AT_import:
        return SLOT_IMPORT;
    case DW_AT_count:
        return SLOT_COUNT;
    case DW_AT_lower_bound:
        return SLOT_LOWER;
    case DW_AT_upper_bound:
        return SLOT_UPPER;
    case DW_AT_string_length:
        return SLOT_STRING_LENGTH;
    case DW_AT_const_value:
        return SLOT_CONST_VALUE;
    case DW_AT_virtuality:
        return SLOT_VIRTUALITY;
    case DW_AT_object_pointer:
        return SLOT_OBJECT_POINTER;
    case DW_AT_external:
        return SLOT_FLAG;
    case DW_AT_declaration:
        return SLOT_FLAG + 1;
    case DW_AT_artificial:
        return SLOT_FLAG + 2;
    case DW_AT_noreturn:
        return SLOT_FLAG + 3;
    case DW_AT_main_subprogram:
        return SLOT_FLAG + 4;
    case DW_AT_prototyped:
        return SLOT_FLAG + 5;
    case DW_AT_variable_parameter:
        return SLOT_FLAG + 6;
    case DW_AT_GNU_vector:
        return SLOT_FLAG + 7;
    default:
        return SLOT_NONE;
    }
}

enum { MOST_ATTRIBUTES = 4096 };

#define BIT(slot) (UINT64_C(1) << (slot))
#define COMMON (BIT(SLOT_SIBLING) | BIT(SLOT_NAME))
#define DECLARED \
    (COMMON | BIT(SLOT_LINKAGE) | BIT(SLOT_FILE) | BIT(SLOT_LINE) | BIT(SLOT_TYPE) | BIT(SLOT_ORIGIN) \
     | BIT(SLOT_SPECIFICATION))
#define TYPE (COMMON | BIT(SLOT_TYPE) | BIT(SLOT_SIZE) | BIT(SLOT_SIGNATURE) | BIT(SLOT_SPECIFICATION))

/* Slots below SLOT_FLAG that an action looks at. */
static const uint64_t WANTED[ACT_COUNT] = {
    [ACT_PASS] = BIT(SLOT_SIBLING),
    [ACT_TYPE] = TYPE | BIT(SLOT_CONTAINER) | BIT(SLOT_COUNT) | BIT(SLOT_LOWER) | BIT(SLOT_UPPER)
                 | BIT(SLOT_STRING_LENGTH),
    [ACT_MEMBER] = DECLARED,
    [ACT_NAMED] = TYPE,
    [ACT_CLASS] = TYPE,
    [ACT_ENUM] = TYPE,
    [ACT_NAMESPACE] = COMMON | BIT(SLOT_ORIGIN),
    [ACT_FUNCTION] = DECLARED | BIT(SLOT_LOW) | BIT(SLOT_HIGH) | BIT(SLOT_RANGES) | BIT(SLOT_ENTRY)
                     | BIT(SLOT_INLINE) | BIT(SLOT_VIRTUALITY) | BIT(SLOT_OBJECT_POINTER),
    [ACT_INLINED] = BIT(SLOT_SIBLING) | BIT(SLOT_ORIGIN) | BIT(SLOT_LOW) | BIT(SLOT_HIGH) | BIT(SLOT_RANGES)
                    | BIT(SLOT_CALL_FILE) | BIT(SLOT_CALL_LINE) | BIT(SLOT_CALL_COLUMN),
    [ACT_PARAMETER] = DECLARED | BIT(SLOT_CONST_VALUE),
    [ACT_VARIABLE] = DECLARED | BIT(SLOT_LOCATION) | BIT(SLOT_CONST_VALUE),
    [ACT_IMPORT] = BIT(SLOT_IMPORT),
};

static Op op_of(uint16_t form, int size)
{
    switch (form) {
    case DW_FORM_flag_present:
        return OP_ONE;
    case DW_FORM_implicit_const:
        return OP_CONSTANT;
    case DW_FORM_string:
        return OP_TEXT;
    case DW_FORM_block:
    case DW_FORM_exprloc:
        return OP_BLOCK;
    case DW_FORM_block1:
        return OP_BLOCK1;
    case DW_FORM_block2:
        return OP_BLOCK2;
    case DW_FORM_block4:
        return OP_BLOCK4;
    case DW_FORM_sdata:
        return OP_SLEB;
    case DW_FORM_indirect:
        return OP_ANY;
    }
    switch (size) {
    case 1:
        return OP_U1;
    case 2:
        return OP_U2;
    case 3:
        return OP_U3;
    case 4:
        return OP_U4;
    case 8:
        return OP_U8;
    case -1:
        return OP_ULEB;
    default:
        return OP_ANY;
    }
}

typedef VEC(Step) Steps;

typedef struct {
    Steps *steps;
    Passage *passage;
    bool memory;
} Draft;

static void add_step(Draft *draft, Step step)
{
    draft->memory = vec_push(draft->steps, step) && draft->memory;
    draft->passage->count++;
    draft->passage->tail = 0;
}

static void add_bytes(Draft *draft, int size)
{
    if (draft->passage->tail + size > UINT16_MAX)
        add_step(draft, (Step){draft->passage->tail, OP_SKIP, SLOT_NONE, 0});
    draft->passage->tail = (uint16_t)(draft->passage->tail + size);
}

static bool is_expression(uint16_t form)
{
    return form == DW_FORM_exprloc || form == DW_FORM_block || form == DW_FORM_block1 || form == DW_FORM_block2
           || form == DW_FORM_block4 || form == DW_FORM_indirect;
}

/* The steps of one abbreviation; with `wanted` they decode, and set what the plan has present. */
static bool draft_passage(const AbbrevTable *table, const Abbrev *abbrev, const AbbrevSlot *sizes, uint64_t wanted,
                          Plan *plan, Passage *passage, Steps *steps)
{
    Draft draft = {steps, passage, true};
    passage->first = (uint32_t)steps->count;
    if (abbrev->spec_count > MOST_ATTRIBUTES) {
        /* No compiler's; the unknown form ends the unit. */
        add_step(&draft, (Step){0, OP_ANY, SLOT_NONE, 0xffff});
        return draft.memory;
    }
    for (uint32_t i = 0; i < abbrev->spec_count; i++) {
        const AttrSpec *spec = &table->specs.items[abbrev->first_spec + i];
        int size = form_size(spec->form, sizes->version, sizes->address_size, sizes->offset_size);
        Slot slot = wanted ? slot_of(spec->name) : SLOT_NONE;
        if (slot < SLOT_FLAG && (!(wanted >> slot & 1) || plan->present >> slot & 1))
            slot = SLOT_NONE;
        if (slot == SLOT_NONE && size >= 0) {
            add_bytes(&draft, size);
            continue;
        }
        Op op = op_of(spec->form, size);
        if (slot >= SLOT_FLAG && slot != SLOT_NONE && op == OP_ONE) {
            plan->flags |= (uint8_t)(1 << (slot - SLOT_FLAG));
            continue;
        }
        if (slot < SLOT_FLAG)
            plan->present |= UINT32_C(1) << slot;
        if (slot == SLOT_LOCATION)
            plan->expression = is_expression(spec->form);
        add_step(&draft, (Step){passage->tail, op, (uint8_t)slot, op == OP_CONSTANT ? spec->constant : spec->form});
    }
    return draft.memory;
}

Plans *plans_make(const AbbrevTable *table, const AbbrevSlot *sizes)
{
    size_t count = table->abbrevs.count;
    Plans *plans = count < SIZE_MAX / sizeof(Plan) / 2 ? calloc(1, sizeof *plans + count * sizeof(Plan)) : NULL;
    if (!plans)
        return NULL;
    Steps steps = {0};
    bool memory = true;
    for (size_t i = 0; memory && i < count; i++) {
        const Abbrev *abbrev = &table->abbrevs.items[i];
        Plan *plan = &plans->plans[i];
        plan->action = (uint8_t)action_of(abbrev->tag);
        plan->tag = abbrev->tag;
        plan->children = abbrev->children;
        memory = draft_passage(table, abbrev, sizes, 0, plan, &plan->skip, &steps)
                 && draft_passage(table, abbrev, sizes, WANTED[plan->action], plan, &plan->full, &steps);
    }
    vec_trim(&steps);
    plans->steps = steps.items;
    if (!memory) {
        plans_free(plans);
        return NULL;
    }
    return plans;
}

void plans_free(Plans *plans)
{
    if (plans)
        free(plans->steps);
    free(plans);
}
